"""Reasons why something is gone, as far as the site tells: what `gone_reason` holds in every table."""

from enum import StrEnum


class GoneReason(StrEnum):
    """Reasons why a row is gone."""

    NOT_FOUND = "not found"
    DELETED_OR_BANNED = "deleted or banned"
    ERASED = "erased under the GDPR"
    """For good, whatever else is served of such an account."""
    UNSHARED_OR_DELETED = "unshared or deleted"
    CLOSED_OR_DELETED = "closed or deleted"
    DELETED = "deleted"
    REMOVED = "removed"
    """A comment that its list still shows, without its text."""
    NO_LONGER_LISTED = "no longer listed"
