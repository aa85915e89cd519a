"""The site's own page of a user: that it is one shows that the account lives."""

from parsel import Selector

from harvester.api.records import ProfilePage
from harvester.errors import DecodeError


def decode_page(body: bytes) -> list[ProfilePage]:
    """Decode a profile page into one record.

    Raises `DecodeError` for any other page, such as one that the site shows when it is in trouble: a profile tells the
    group of the account and since when there is one.
    """
    page = Selector(text=body.replace(b"\x00", b"").decode("utf-8", "replace") or " ", type="html")
    group = page.css("span.group::text").get()
    if group is None and page.css("p.profile-details").get() is None:
        raise DecodeError("user_page: the body is no profile page")
    return [ProfilePage(group=" ".join(group.split())) if group is not None else ProfilePage()]
