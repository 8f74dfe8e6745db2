"""Hansa: a data space for cities, with local digital twins on top."""

__version__ = "0.1.0"
