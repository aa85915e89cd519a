"""Convert texts of the API to what a reader sees, and remove tokens."""

import html
import re
from functools import lru_cache
from typing import Any

_EMOJI = re.compile(r'<img src="/images/emoji/([a-z0-9-]+)\.png" class="emoji" alt="[^"]*">')


@lru_cache(maxsize=64)  # called twice for each text: for the column, and to compare with the served text
def decode_text(served: str) -> str:
    """Return the content of a project or studio comment as a reader sees it.

    Emoji images become `:name:` and entities are decoded exactly once: comments before 2019 were stored
    encoded twice, and a person may type `&lt;`, so a second decoding would change what was written.
    """
    if "&" not in served and "<" not in served:
        return served
    # Emoji first: a typed `<img` is served encoded, so only the site's own images match.
    text = _EMOJI.sub(r":\1:", served) if "<" in served else served
    return html.unescape(_LARGE.sub(_in_range, text) if "&#" in text else text)


def _in_range(reference: re.Match[str]) -> str:
    """Shorten a character reference that has more digits than Python turns into a number."""
    base, digits = "x" if reference["hex"] else "", reference[reference.lastgroup or 0].lstrip("0") or "0"
    return f"&#{base}{digits if len(digits) < _DIGITS else '9' * _DIGITS}"


_DIGITS = 9
"""Digits from which on a number without zeros before it is no character, in decimal and in hexadecimal."""
_LARGE = re.compile(rf"&#(?:(?P<decimal>[0-9]{{{_DIGITS},}})|[xX](?P<hex>[0-9a-fA-F]{{{_DIGITS},}}))")
HIDDEN_FIELD = "project_token"
# The quotes have a backslash where JSON stands within a string.
_NAMED = re.compile(rb'(project_token\\*"\s*:\s*(?:\\*")?)[^"\\,}\]]*')
_SHAPE = r"(?<!\d)\d{9,}_[0-9a-f]{64,}"
_SHAPED_BYTES, _SHAPED = re.compile(_SHAPE.encode()), re.compile(_SHAPE)


def without_tokens(body: bytes) -> bytes:
    """Return a response without the tokens of projects, which are short-lived secrets; all other bytes stay.

    What a `project_token` holds becomes empty wherever it stands, in a response that was cut too, and so does what has
    the form of one under another name.
    """
    return _SHAPED_BYTES.sub(b"", _NAMED.sub(rb"\1", body))


def without_token_fields(value: Any) -> Any:
    """Drop the fields called `project_token` from parsed JSON, and cut text that has the form of such a token."""
    if isinstance(value, str):
        return _SHAPED.sub("", value)
    if isinstance(value, list):
        return [without_token_fields(part) for part in value]
    if isinstance(value, dict):
        return {name: without_token_fields(part) for name, part in value.items() if name != HIDDEN_FIELD}
    return value
