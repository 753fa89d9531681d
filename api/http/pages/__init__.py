"""Server-rendered pages to add, view, search and correct videos, patches and links; scripts add interaction."""
