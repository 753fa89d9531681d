"""Measurements of finished models; the training itself imports none of them."""
