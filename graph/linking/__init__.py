"""Linking: inter-instance edges from feature vectors by two-stage clustering (section 4.2), without the database."""
