"""Images where they live: real engines and registries on this machine, and a registry that does its worst."""
