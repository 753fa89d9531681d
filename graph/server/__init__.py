"""The local Neo4j server: jars, configuration and the detached process."""
