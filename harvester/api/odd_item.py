"""An item of a list that cannot be used, although its page can."""

from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class OddItem:
    """One item of a page: where it stood (from 0), why it cannot be used, and the item itself, as JSON or HTML.

    `identity`, `key` and `held` are what its list and the warehouse know it by (`Stream.identity`, `key`, `held`), each
    None where it cannot be read. `dependent`: nothing is wrong but that it belongs to another that was set aside.
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
        """Tell the item from the others of its list: its identity, else a number below 0 made of its bytes."""
        if self.identity is not None:
            return self.identity
        return -1 - int.from_bytes(blake2b(self.body, digest_size=7).digest())
