"""Speaks to registries: names, credentials, requests, blobs. Knows no images beyond their names and digests."""
