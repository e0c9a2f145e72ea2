"""Where images come from: finds out what a target is, and opens it."""

from scanner.image.registry.settings import RegistrySettings
from scanner.image.source.opening import Places, local_images, open_source
from scanner.image.source.selection import Source

__all__ = ["Places", "RegistrySettings", "Source", "local_images", "open_source"]
