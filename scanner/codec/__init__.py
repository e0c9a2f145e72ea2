"""Compressed streams and tars, which layers are made of and which lie in them: bytes in, bytes and headers out."""
