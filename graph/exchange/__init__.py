"""Writers of patches, tracks and links in the formats of other tools."""
