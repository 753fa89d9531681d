"""Mining: decoding a video, finding its moving objects, and tracking them. The only importer of cv2 and av."""
