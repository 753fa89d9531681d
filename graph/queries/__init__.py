"""Questions to the graph: neighbourhoods, explanations, clusters, counts and quadruples."""
