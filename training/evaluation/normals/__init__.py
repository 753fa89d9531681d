"""Surface normals from colour (section 6.4, table 5): truth from depth, FCN-32s, and its measures."""
