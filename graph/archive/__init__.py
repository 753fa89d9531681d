"""Export and import of the graph as files, for moving and backup; `neo4j-admin` or Bolt reads them."""
