"""Repeatable random numbers by id and purpose, without a generator.

Texts, flags and other details are computed from the id when they are served: 10^5 users start in seconds, and the same
seed serves the same bytes, whatever was served before.
"""

from __future__ import annotations

_MASK = 0xFFFF_FFFF_FFFF_FFFF


def scramble(number: int) -> int:
    """Return a 64-bit number that looks random, the same for the same `number` (the finaliser of splitmix64)."""
    number = (number * 0x9E37_79B9_7F4A_7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
    return number ^ (number >> 31)


def salt(seed: int, purpose: str) -> int:
    """Return a number to add to ids, so that each purpose has its own random numbers."""
    value = scramble(seed + 1)
    for letter in purpose.encode():
        value = scramble(value ^ letter)
    return value


def share(number: int, purpose_salt: int) -> float:
    """Return a number in [0, 1) for an id and a purpose."""
    return (scramble(number ^ purpose_salt) >> 11) / 9_007_199_254_740_992.0
