"""How the API writes text, and how a reader sees it."""

import html
import re
from functools import lru_cache

_EMOJI = re.compile(r'<img src="/images/emoji/([a-z0-9-]+)\.png" class="emoji" alt="[^"]*">')


@lru_cache(maxsize=64)  # a text is asked for twice: as it is read, and whether it was served so
def as_read(served: str) -> str:
    """The content of a project or studio comment as a reader sees it.

    Emoji images become `:name:` and entities are decoded exactly once: comments before 2019 were stored
    encoded twice, and a person may type `&lt;`, so a second decoding would change what was written.
    """
    if "&" not in served and "<" not in served:
        return served
    # Emoji first: a typed `<img` is served encoded, so only the site's own images match.
    text = _EMOJI.sub(r":\1:", served) if "<" in served else served
    return html.unescape(text)


_TOKENS = re.compile(rb'("project_token"\s*:\s*")[^"]*')


def without_tokens(body: bytes) -> bytes:
    """A response without the secrets of the moment that it may hold: what is kept whole is kept without them."""
    return _TOKENS.sub(rb"\1", body)
