"""Generations, the linking runs stored in the graph: catalogue, writer and reader."""
