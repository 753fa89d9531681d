"""Indexes of embeddings, for searching millions of vectors without reading all of them."""
