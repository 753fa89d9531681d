"""Read queries: neighbourhoods, explanations, clusters, counts, tracks and quadruples."""
