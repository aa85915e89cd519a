"""An item of a list that cannot be used, on a page that can."""

from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class OddItem:
    """One item of a page: its position (from 0), the reason, and the item itself, as JSON or HTML.

    `identity`, `key` and `held` are those of `Stream`, each None if it cannot be read. `dependent`: the item itself is
    right, but belongs to another one that was set aside.
    """

    position: int
    reason: str
    body: bytes
    identity: int | None = None
    key: int | None = None
    held: int | None = None
    dependent: bool = False

    @property
    def number(self) -> int:
        """Return the number of the item in its list: its identity, else a number below 0 that is made of its bytes."""
        if self.identity is not None:
            return self.identity
        return -1 - int.from_bytes(blake2b(self.body, digest_size=7).digest())
