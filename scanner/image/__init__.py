"""The layer extractor: bytes in, the nouns of the OCI image-spec out. It knows nothing of signatures."""
