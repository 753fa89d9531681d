"""Object detection with Fast and Faster R-CNN on the trunk (section 6.2, tables 1 to 3)."""
