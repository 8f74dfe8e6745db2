"""A small world: an authority and two cities that joined it."""

from trust_world import authority, delft, folder, rijswijk, world

__all__ = ["authority", "delft", "folder", "rijswijk", "world"]
