"""Where images come from: finds the form of a target by what it holds, and opens it."""

from scanner.image.source.archive import Source, open_source

__all__ = ["Source", "open_source"]
