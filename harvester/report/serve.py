"""Serve the page of `harvester report --serve` over HTTP, with changes while a browser shows it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from harvester import http_server
from harvester.report.page import policy, read, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.config import Settings

PAGE = http_server.PageKind(
    "/",
    "text/html; charset=utf-8",
    (
        ("content-security-policy", f"{policy(live=True)}; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
    ),
)


def serve(settings: Settings, *, address: str, port: int, patience: float, names: Sequence[str] = ()) -> None:
    """Serve the page until SIGINT, SIGTERM or SIGHUP; prints `ready URL` once it answers.

    Raises:
        UsageError: the address or the port cannot be used.
        WarehouseError: the warehouse cannot be used, at the start.
    """
    # The first page starts an embedded server that is down; later ones do not.
    app = http_server.Application(
        lambda: render(read(settings, patience=patience, start=not app.made), live=True), PAGE, (address, *names)
    )
    with http_server.listen(address, port) as listener:
        asyncio.run(app.renew())
        http_server.serve(app, listener, PAGE.path)
