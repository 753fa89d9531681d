"""Queries: neighbourhoods, explanations, clusters, counts, tracks and quadruples."""
