"""The local Neo4j server: its jars, its configuration and its detached process."""
