"""The graph of videos, patches and links, with the files that hold pixels and vectors. Imports no other room."""
