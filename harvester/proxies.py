"""The proxy that the environment names, as curl, requests and Scrapy understand it.

`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in either case. A proxy may hold a user and a password: they go to the
proxy and nowhere else. This machine's own hosts are never asked through a proxy.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from harvester.config import is_loopback
from harvester.errors import UsageError


def proxy_for(url: str) -> str | None:
    """Return the proxy through which a URL is asked, with its credentials; None for none.

    Raises:
        UsageError: what the environment names is no http:// or https:// proxy.
    """
    parts = urlsplit(url)
    if is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    named = getproxies().get(parts.scheme)
    if not named:
        return None
    proxy = named if "://" in named else f"http://{named}"
    try:
        found = urlsplit(proxy)
        is_sound = found.scheme in ("http", "https") and bool(found.hostname) and (found.port or 1) > 0
    except ValueError:
        is_sound = False
    if not is_sound:
        # Not repeated: it may hold a password.
        raise UsageError(f"{parts.scheme.upper()}_PROXY: only http:// and https:// proxies can be used")
    return proxy


def without_credentials(proxy: str) -> str:
    """Return a proxy as it may be shown."""
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
