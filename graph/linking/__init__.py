"""Inter-instance edges from vectors (section 4.2): parents, neighbours, cliques. Numbers only, no database."""
