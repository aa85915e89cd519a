"""What is left of what people write: features of a text, or the text without what tells who and where they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WORD = re.compile(r"\w+")
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]|:[a-z-]+:")
_LINK = re.compile(r"https?://|www\.|/users/|/projects/|/studios/", re.IGNORECASE)
_MENTION = re.compile(r"@[A-Za-z0-9_-]{3,20}")


class Names:
    """Known usernames, and what stands for one."""

    def __init__(self, usernames: Iterable[str], pseudonym: Callable[[str], str]) -> None:
        self.usernames = {name.lower() for name in usernames}
        self.pseudonym = pseudonym


def redact(text: str, names: Names) -> str:  # noqa: ARG001
    """Nothing is left of a text while there are no rules that say what may be."""
    return ""


def features(text: str) -> dict[str, Any]:
    """What can be told of a text without the text."""
    return {
        "length": len(text),
        "words": len(_WORD.findall(text)),
        "emoji_count": len(_EMOJI.findall(text)),
        "language_script": "latin" if text.isascii() else "other",
        "question": "?" in text,
        "link_count": len(_LINK.findall(text)),
        "mention_count": len(_MENTION.findall(text)),
    }
