"""Pseudonyms: HMAC-SHA256 of kind and id, cut to 128 bits, under a key that is derived and never stored.

A plain hash of an id is no pseudonym: there are so few ids that all can be tried in seconds. The key is derived from
`secret.key` and the release, so that two releases cannot be joined; or, for a study over several releases, from the
project only. Without `secret.key` nobody can find the ids, the owner included.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harvester.dataset.release import KeyScope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harvester.dataset.release import Profile, Release

BYTES = 16
"""128 bits."""


@dataclass(frozen=True, slots=True)
class Key:
    """A derived key. It is in no log, no database and no argument list."""

    _key: bytes

    def __repr__(self) -> str:
        return "Key(...)"

    @property
    def fingerprint(self) -> str:
        """Return the public fingerprint of the key: equal for equal keys, and not reversible."""
        return hmac.digest(self._key, b"fingerprint", "sha256").hex()[:16]

    def one(self, kind: str, value: Any) -> bytes:
        """Return the pseudonym of one value."""
        return hmac.digest(self._key, f"{kind} {value}".encode(), "sha256")[:BYTES]

    def many(self, kind: str, values: Iterable[Any]) -> list[bytes]:
        """Return the pseudonyms of many."""
        key, start = self._key, f"{kind} ".encode()
        return [hmac.digest(key, start + str(value).encode(), "sha256")[:BYTES] for value in values]


def derive(secret: bytes, profile: Profile, scope: KeyScope, release: str, salt: str = "") -> Key:
    """Return the key of a release, or of all releases of a profile; open and restricted ones never share one.

    The salt differs between releases of the same name with another state or other options.
    """
    named = (release, salt) if scope is KeyScope.RELEASE else ()
    of = " ".join(("dataset", profile, scope, *filter(None, named)))
    return Key(hmac.digest(secret, of.encode(), "sha256"))


def salt_of(secret: bytes, *what: object) -> str:
    """Return the public fingerprint of a release's inputs: equal for equal inputs, and not reversible."""
    return hmac.digest(secret, f"dataset salt {what}".encode(), "sha256").hex()[:16]


def key_of(secret: bytes, release: Release) -> Key:
    """Return the key of a release that was made."""
    told = release.parameters
    return derive(secret, release.profile, KeyScope(told["key"]), release.name, told.get("key_salt") or "")
