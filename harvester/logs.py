"""Logs as JSON: one line for each event, on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Any

from pythonjsonlogger.json import JsonFormatter


def log_as_json() -> None:
    """Write logs as JSON from now on, the events of a crawl included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger", "message": "event"},
            timestamp="at",
        )
    )
    # Of others only warnings: Scrapy's own log of its settings holds the operator's contact.
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith("harvester"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    logging.getLogger("harvester").setLevel(logging.INFO)


def event(logger: logging.Logger, name: str, **facts: Any) -> None:
    """Log an event with its figures; it shows only where logs are JSON."""
    logger.info(name, extra=facts)
