"""The graph as files, to move it or to back it up: written from a server, read by neo4j-admin or over Bolt."""
