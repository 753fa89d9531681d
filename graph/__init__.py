"""The graph of videos, patches and links, and its files. Imports no other room."""
