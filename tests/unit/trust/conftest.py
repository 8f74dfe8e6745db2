"""A small world: an authority, and a city that joined it."""

from trust_world import authority, delft, folder, world

__all__ = ["authority", "delft", "folder", "world"]
