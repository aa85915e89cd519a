"""The command line: one module for each group of commands."""

from harvester.cli.main import app

__all__ = ["app"]
