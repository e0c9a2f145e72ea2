"""The content scanner: bytes in, hits out. It knows signatures and nothing of images."""
