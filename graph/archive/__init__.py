"""Export and import of the graph and its files, for moving and backup."""
