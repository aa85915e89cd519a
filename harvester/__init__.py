"""Harvest the public Scratch API into PostgreSQL."""

from importlib.metadata import version

__version__ = version("scratch-harvester")
