"""From a video file to patches and tracks; the only importer of cv2 and av."""
