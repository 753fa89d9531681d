"""What is known: nodes, edges, pixels and vectors. Imports no other room."""
