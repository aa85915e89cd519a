"""Set futures whose waiter may have been cancelled."""

import asyncio
from typing import Any, TypeVar

T = TypeVar("T")


def set_result(future: asyncio.Future[T], result: T) -> None:
    """Set the result of a future, unless it is done or cancelled."""
    if not future.done():
        future.set_result(result)


def set_error(future: asyncio.Future[Any], error: Exception) -> None:
    """Set an error on a future, unless it is done or cancelled."""
    if not future.done():
        future.set_exception(error)
        future.exception()
