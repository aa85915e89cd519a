"""Write numbers and what they count, for messages and pages. Pure."""

from __future__ import annotations

import re


def requirement(message: str) -> str:
    """Return in few words what pydantic says of a wrong value: `must be a valid number`."""
    return re.sub("Input should be ([^,]+), unable to .*", r"must be \1", message).replace("Input should be", "must be")


def plain(number: float) -> str:
    """Return a number in full: 1,234,567 or 3.25."""
    return f"{number:,.0f}" if number == int(number) else f"{number:,.2f}".rstrip("0").rstrip(".")


def counted(number: float, one: str, many: str = "") -> str:
    """Return a number with what it counts: `1 user`, `2,000 users`."""
    return f"{plain(number)} {agreeing(number, one, many)}"


def agreeing(number: float, one: str, many: str = "") -> str:
    """Return the word that a number asks for: `one` for 1, else `many`, which is `one` with an s unless given."""
    return one if number == 1 else many or f"{one}s"
