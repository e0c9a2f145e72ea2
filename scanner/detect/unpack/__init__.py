"""Opens what lies in files: archives, compressed streams, repositories. Bytes in, members out; it knows no images."""
