"""Server-rendered pages to browse videos, patches, tracks, quadruples and clusters; no script, no outside address."""
