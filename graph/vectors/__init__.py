"""Indexes of embeddings: search among millions of vectors without reading them all."""
