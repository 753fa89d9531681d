"""Generations (linking runs) in the graph: their catalogue, and how one is written and read."""
