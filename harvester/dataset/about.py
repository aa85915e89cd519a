"""Statements of the operator about a release, which no warehouse holds: its makers, DOI, licence, funding and ethics.

They are read from a file, `release.toml`, and kept in the manifest. `templates/release.toml` explains each key.
"""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from harvester.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

LICENCES = {
    "CC0-1.0": "Creative Commons Zero 1.0",
    "CC-BY-4.0": "Creative Commons Attribution 4.0",
    "CC-BY-SA-4.0": "Creative Commons Attribution-ShareAlike 4.0",
    "CC-BY-NC-4.0": "Creative Commons Attribution-NonCommercial 4.0",
    "CC-BY-NC-SA-4.0": "Creative Commons Attribution-NonCommercial-ShareAlike 4.0",
    "CC-BY-ND-4.0": "Creative Commons Attribution-NoDerivatives 4.0",
    "CC-BY-NC-ND-4.0": "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0",
    "ODC-By-1.0": "Open Data Commons Attribution 1.0",
    "ODbL-1.0": "Open Data Commons Open Database License 1.0",
    "PDDL-1.0": "Open Data Commons Public Domain Dedication and License 1.0",
}
"""Names of the licences that can be stated by their SPDX identifier."""

_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
_DOI = re.compile(r"10\.\d{4,9}/\S+")
_ROR = re.compile(r"https://ror\.org/0[a-hj-km-np-tv-z0-9]{6}[0-9]{2}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_URL = re.compile(r"https?://[^\s/]+\S*")


def _check_lines(stated: msgspec.Struct, *keys: str) -> None:
    for key in keys:
        text = getattr(stated, key)
        if text is not None and (not text.strip() or not text.isprintable()):
            raise ValueError(f"{key} = {_written(text)}: must be one line of text, and not an empty one")


def _check_form(stated: msgspec.Struct, key: str, form: re.Pattern[str], example: str) -> None:
    text = getattr(stated, key)
    if text is not None and form.fullmatch(text) is None:
        raise ValueError(f"{key} = {_written(text)}: must be written as {example}")


def is_orcid(text: str) -> bool:
    """Return whether a text is an ORCID iD: sixteen digits in groups, of which the last checks the others.

    The check digit is that of ISO 7064, MOD 11-2, with X for 10.
    """
    if _ORCID.fullmatch(text) is None:
        return False
    digits = text.replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    return digits[-1] == ("X" if check == 10 else str(check))


class Creator(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person, by `given` and `family`, or an organisation, by `name`."""

    name: str | None = None
    given: str | None = None
    family: str | None = None
    orcid: str | None = None
    ror: str | None = None
    affiliation: str | None = None

    def __post_init__(self) -> None:
        _check_lines(self, "name", "given", "family", "affiliation")
        if self.name is None and (self.given is None or self.family is None):
            raise ValueError("given and family must name a person, or name an organisation")
        if self.name is not None and (self.given is not None or self.family is not None):
            raise ValueError("name is for an organisation, given and family are for a person: state one of them")
        if self.name is not None and self.orcid is not None:
            raise ValueError("orcid is for a person, who has given and family; an organisation has ror")
        if self.name is None and self.ror is not None:
            raise ValueError("ror is for an organisation, which has name; a person has orcid")
        _check_form(self, "orcid", _ORCID, "0000-0002-1825-0097")
        if self.orcid is not None and not is_orcid(self.orcid):
            raise ValueError(f"orcid {self.orcid} has a wrong check digit: a digit is mistyped")
        _check_form(self, "ror", _ROR, "https://ror.org/02mhbdp94")

    @property
    def full_name(self) -> str:
        """Return the name as it is cited: family name first."""
        return self.name if self.name is not None else f"{self.family}, {self.given}"


class Funding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A funder, and its award."""

    funder: str
    ror: str | None = None
    award: str | None = None
    title: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        _check_lines(self, "funder", "award", "title")
        _check_form(self, "ror", _ROR, "https://ror.org/021nxhr62")
        _check_form(self, "url", _URL, "https://example.org/award")

    def __str__(self) -> str:
        return ", ".join(part for part in (self.funder, self.award, self.title) if part)


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The person or office that answers questions about a release."""

    name: str
    email: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        _check_lines(self, "name")
        _check_form(self, "email", _EMAIL, "data@example.org")
        _check_form(self, "url", _URL, "https://example.org/contact")
        if self.email is None and self.url is None:
            raise ValueError("email or url must say how to reach the contact")

    @property
    def address(self) -> str:
        """Return the mail address, or else the page."""
        return self.email or self.url or ""

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class OtherLicence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A licence that has no SPDX identifier here."""

    name: str
    url: str

    def __post_init__(self) -> None:
        _check_lines(self, "name")
        _check_form(self, "url", _URL, "https://example.org/licence")


class Statements(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The content of `release.toml`; None or empty where nothing is stated."""

    title: str | None = None
    creators: tuple[Creator, ...] = ()
    publisher: str | None = None
    published: date | None = None
    """The day of publication; the day of the release's state unless stated."""
    doi: str | None = None
    licence: str | OtherLicence | None = None
    """The licence of the selection and the descriptions; texts and projects keep that of their authors."""
    funding: tuple[Funding, ...] = ()
    contact: Contact | None = None
    ethics: str | None = None
    """What a review board decided, or why none was asked."""

    def __post_init__(self) -> None:
        _check_lines(self, "title", "publisher")
        _check_form(self, "doi", _DOI, "10.5281/zenodo.1234567, without https://doi.org/")
        if isinstance(self.licence, str) and self.licence not in LICENCES:
            known = ", ".join(LICENCES)
            raise ValueError(
                f"licence = {_written(self.licence)}: must be one of {known}, or a table with name and url"
            )
        if self.ethics is not None and not self.ethics.strip():
            raise ValueError("ethics must not be empty: leave the key out to state nothing")


def read_statements(path: Path) -> Statements:
    """Read the statements about a release from a TOML file.

    Raises:
        UsageError: the file cannot be read, is no TOML, or a key has a wrong value; the message names the key.
    """
    try:
        return parse_statements(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not valid TOML: it is not encoded in UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from None


def parse_statements(stated: dict[str, Any]) -> Statements:
    """Return statements in their types.

    Raises:
        ValueError: a key has a wrong value, is missing or unknown; the message names it.
    """
    try:
        return msgspec.convert(stated, Statements)
    except msgspec.ValidationError as error:
        raise ValueError(_in_words(str(error), stated)) from None


_EXPECTED = {
    "array": "a list of tables, each below [[{}]]",
    "object": "a table, as `harvester dataset template` shows",
    "str": "text in quotes",
    "date": "a day without quotes, as 2026-06-15",
}


def _in_words(message: str, stated: Any) -> str:
    """Return a message of msgspec with the key before it, as `creators[1].name`: tables are counted from 1 here.

    A message of our own begins with the key already, and gets the table before it.
    """
    what, _, path = message.partition(" - at `")
    place = re.sub(r"\[(\d+)\]", lambda found: f"[{int(found[1]) + 1}]", path.rstrip("`").removeprefix("$").lstrip("."))
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        key = unknown[1] if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", unknown[1]) else _written(unknown[1])
        return f"{_below(place, key)} is no key of this file; `harvester dataset template` shows all"
    if missing := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{_below(place, missing[1])} is missing"
    expected = re.match(r"Expected `([a-z]+)", what)
    if expected is None and not what.startswith("Invalid RFC3339 encoded date"):
        return _below(place, what)
    kind = _EXPECTED[expected[1] if expected else "date"].format(place)
    return f"{place} = {_written(_value_at(path, stated))}: must be {kind}"


def _value_at(path: str, stated: Any) -> Any:
    """Return the value at a path of msgspec, such as $.creators[0].name."""
    for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        stated = stated[key or int(index)]
    return stated


def _written(value: Any) -> str:
    """Return a value as TOML has it, on one line; a long text is cut, a table and a list are not written out."""
    match value:
        case dict():
            return "{...}"
        case list():
            return "[...]"
        case str():
            return json.dumps(value if len(value) <= 60 else f"{value[:60]}...", ensure_ascii=not value.isprintable())
        case bool():
            return str(value).lower()
    return str(value)


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def template() -> str:
    """Return a `release.toml` in which each key is explained and none is stated."""
    return resources.files("harvester.dataset").joinpath("templates", "release.toml").read_text(encoding="utf-8")
