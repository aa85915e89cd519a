"""The one settings object: read from the environment and from a `.env` file in the working directory."""

from __future__ import annotations

import math
import os
import re
import stat
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

import harvester
from harvester.errors import UsageError
from harvester.wording import requirement

_PREFIX = "HARVESTER_"
_POSTGRES_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")

MOST_AT_ONCE = 128
"""Visits that a worker makes at once where nothing limits it: a site of one's own."""


class Settings(BaseSettings):
    """Validated settings of the environment, made by `settings()`, or by `load()` with overrides."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,  # default False: `HARVESTER_CONTACT=` in a .env file means "not set"
        extra="ignore",  # default forbid: a .env file serves other programs too
        frozen=True,
        hide_input_in_errors=True,  # default False: an error would print the database URL with its password
    )

    home: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("scratch-harvester", appauthor=False),
        description="embedded database, secret key, run files",
    )
    database_url: SecretStr | None = Field(
        default=None, description="any PostgreSQL >= 15; an embedded one in HARVESTER_HOME when not set"
    )
    api_url: str = Field(default="https://api.scratch.mit.edu", description="base of the API")
    site_url: str = Field(default="https://scratch.mit.edu", description="base of the site")
    sources: bool = Field(default=False, description="read the sources of projects too: one request more for each")
    user_activity: bool = Field(
        default=False,
        description="read what users did lately from the site, and their lists only where that shows something new",
    )
    projects_url: str = Field(
        default="https://projects.scratch.mit.edu", description="base of the sources, which HARVESTER_SOURCES=1 reads"
    )
    sources_dir: Path | None = Field(
        default=None, description="folder in which their bodies are held, in files; in the database if unset"
    )
    rate: float = Field(
        default=5.0,
        description="requests per second over all workers of a warehouse; 0 = unlimited, loopback hosts only;"
        " recorded by the first run, changed by `harvester rate`",
    )
    contact: str | None = Field(default=None, description="e-mail or URL, put in the User-Agent")
    permission: str | None = Field(default=None, description="what entitles the operator to crawl public hosts")
    min_gain: float = Field(
        default=0.5,
        description="item-days of delay that a scheduled visit must save; 0.5: a list with a comment a day, daily",
    )
    shares: dict[str, float] = Field(
        default={"discovery": 25, "scheduled": 60, "recheck": 5, "audit": 10},
        description="how a crawl divides its requests, as JSON",
    )
    privacy_budget: float = Field(
        default=10.0,
        description="epsilon that all open releases of the warehouse may spend together on figures of people",
    )
    session: SecretStr | None = Field(
        default=None, description="session cookie of the operator's own account; its own lists are read with it"
    )

    archive: Path | None = Field(
        default=None,
        description="folder in which every response is kept as WARC, for `harvester replay`; none if unset",
    )

    log_json: bool = Field(default=False, description="logs as one JSON line an event, as `crawl --log-json`")

    @field_validator("home", "archive", "sources_dir")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        return None if folder is None else folder.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _postgres_only(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is None:
            return None
        url = secret.get_secret_value()
        if not url.startswith(_POSTGRES_SCHEMES):
            raise ValueError("not a postgresql:// URL; only PostgreSQL >= 15 is supported")
        # A raw @, / or : of a password would be taken for a part of the host, and then be shown as such.
        authority, *rest = re.split(r"[/?#]", url.split("://", 1)[1], maxsplit=1)
        if authority.count("@") > 1 or "@" in "".join(rest):
            raise ValueError("ambiguous; percent-encode special characters in the user name and the password")
        if any(not re.fullmatch(r"\d*", _port_of(host)) for host in authority.rpartition("@")[2].split(",")):
            raise ValueError("the port is not a number; percent-encode special characters in the password")
        return secret

    @field_validator("api_url", "site_url", "projects_url")
    @classmethod
    def _absolute_http(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            sound = False
        if not sound or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("must be an absolute http:// or https:// URL, without user, query or fragment")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError(
                "must be https:// for a host that is not this machine: without TLS anybody between can answer"
            )
        return url.rstrip("/")

    @field_validator("rate")
    @classmethod
    def _rate(cls, rate: float) -> float:
        if not is_rate(rate):
            raise ValueError("must be a number of requests per second, 0 or more")
        return rate

    @field_validator("privacy_budget")
    @classmethod
    def _privacy_budget(cls, epsilon: float) -> float:
        if not math.isfinite(epsilon) or epsilon < 0:
            raise ValueError("must be a number, 0 or more")
        return epsilon

    @field_validator("min_gain")
    @classmethod
    def _min_gain(cls, min_gain: float) -> float:
        if not math.isfinite(min_gain) or min_gain <= 0:
            raise ValueError("must be a number of item-days above 0")
        return min_gain

    @field_validator("shares")
    @classmethod
    def _shares(cls, shares: dict[str, float]) -> dict[str, float]:
        known = {"discovery", "scheduled", "recheck", "audit"}
        if unknown := shares.keys() - known:
            raise ValueError(f"no share is called {min(unknown)!r}: there are {', '.join(sorted(known))}")
        if not all(math.isfinite(share) and share >= 0 for share in shares.values()):
            raise ValueError("must be numbers, 0 or more")
        if not (shares.get("discovery") and shares.get("scheduled")):
            raise ValueError("discovery and scheduled must be above 0: nothing would be visited at all")
        return shares

    @field_validator("session")
    @classmethod
    def _cookie(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not re.fullmatch(r"[!#-+\--:<-\[\]-~]+", secret.get_secret_value()):
            raise ValueError("must be the value of the cookie scratchsessionsid, without quotes and spaces")
        return secret

    @field_validator("contact")
    @classmethod
    def _contact(cls, contact: str | None) -> str | None:
        if contact is not None and not re.fullmatch(r"[^\s@()]+@[^\s@()]+\.[^\s@()]+|https?://[^\s()]+", contact):
            raise ValueError("must be an e-mail address or an http(s) URL at which the operator can be reached")
        return contact

    @model_validator(mode="after")
    def _sources_beside_a_sandbox(self) -> Self:
        api, sources = (urlsplit(url).hostname or "" for url in (self.api_url, self.projects_url))
        if self.sources and is_loopback(api) and not is_loopback(sources):
            raise ValueError(
                f"{_PREFIX}PROJECTS_URL: {sources} is public, {_PREFIX}API_URL is not: the ids of a sandbox name other"
                " projects there"
            )
        return self

    @model_validator(mode="after")
    def _unlimited_on_loopback_only(self) -> Self:
        if self.rate == 0 and self.public_hosts:
            hosts = " and ".join(self.public_hosts)
            raise ValueError(f"{_PREFIX}RATE: 0 (unlimited) is accepted for loopback hosts only, not for {hosts}")
        return self

    @property
    def urls(self) -> tuple[str, ...]:
        """The bases of all requests: of the API and the site, and of the sources if they are read."""
        return (self.api_url, self.site_url, *([self.projects_url] if self.sources else []))

    @property
    def public_hosts(self) -> tuple[str, ...]:
        """The hosts of the requests that are not this machine's own."""
        hosts = [urlsplit(url).hostname or "" for url in self.urls]
        return tuple(dict.fromkeys(host for host in hosts if not is_loopback(host)))

    @property
    def rate_is_set(self) -> bool:
        """Return whether the environment names a rate; else the warehouse's counts."""
        return "rate" in self.model_fields_set

    @property
    def at_once(self) -> int:
        """Visits that a worker makes at once: what the budget allows while one answer comes, no more for a slow site.

        Without a limit, pages that wait at the same time share a transaction of up to 64 while 64 more are asked for.
        """
        return min(64, max(8, int(self.rate / 4))) if self.rate else MOST_AT_ONCE

    @property
    def user_agent(self) -> str:
        """An honest name with the contact: `scratch-harvester/0.1.0 (+mail@example.org)`."""
        return f"scratch-harvester/{harvester.__version__}" + (f" (+{self.contact})" if self.contact else "")

    def check_crawl_allowed(self) -> None:
        """Refuse public hosts unless the operator says who they are and what entitles them.

        Raises:
            UsageError: a contact or a permission is missing.
        """
        missing = [
            f"{_PREFIX}{name.upper()} ({meaning})"
            for name, meaning in (
                ("contact", "an e-mail address or URL for the User-Agent"),
                ("permission", "the reference of what entitles you, a written permission say"),
            )
            if not getattr(self, name)
        ]
        if self.public_hosts and missing:
            raise UsageError(
                f"refusing to crawl {' and '.join(self.public_hosts)}: the site's Terms of Use of 2026-01-22"
                " forbid crawlers (11.6) and automated extraction of data (11.13) without permission."
                f" To go on, set {' and '.join(missing)}."
                " To try things out, start with the sandbox: `harvester demo`."
            )


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment, with some values given.

    Raises:
        UsageError: a value is malformed; the message names the variables and never repeats a value.
    """
    _check_env_file()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        # `from None`: the original holds the values, and a traceback would print it.
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    except UnicodeDecodeError:
        raise UsageError("the .env file is not UTF-8 text") from None
    except SettingsError as error:
        # Of a value that should be JSON and is not: the message names the field and not the value.
        named = re.search(r'field "(\w+)"', str(error))
        raise UsageError(f"{_PREFIX}{named[1].upper() if named else '?'}: not valid JSON") from None
    except OSError as error:
        raise UsageError(f"the .env file cannot be read: {error.strerror}") from None
    raise UsageError("; ".join(_one_line(problem["loc"], problem["msg"]) for problem in problems))


def _check_env_file() -> None:
    """Refuse a `.env` that somebody else put here: it could send a session or a database's password elsewhere.

    Raises:
        UsageError: it belongs to neither this user nor root (for root, who may work in somebody's folder: nor to the
            folder's owner), or others can write it.
    """
    if (name := Settings.model_config.get("env_file")) is None:
        return
    try:
        found, folder = Path(str(name)).stat(), Path().stat()
    except OSError:
        return
    mine = os.geteuid()
    if found.st_uid not in {0, mine, folder.st_uid if mine == 0 else mine}:
        raise UsageError("the .env file here belongs to somebody else: remove it, or make it your own")
    if found.st_mode & stat.S_IWOTH:
        raise UsageError("the .env file here can be written by others: chmod o-w it")


@cache
def settings() -> Settings:
    """Return the settings of this process, read once. `settings.cache_clear()` makes the next call read again."""
    return load()


def is_rate(number: float) -> bool:
    """Return whether a number is a rate of requests: 0 (unlimited) or more, and finite."""
    return math.isfinite(number) and number >= 0


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine: 127.0.0.0/8, ::1, localhost."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _port_of(host: str) -> str:
    return re.sub(r"^\[[^\]]*\]|^[^:]*", "", host).removeprefix(":")


def _one_line(loc: tuple[int | str, ...], message: str) -> str:
    text = requirement(message.removeprefix("Value error, "))
    return f"{_PREFIX}{str(loc[0]).upper()}: {text}" if loc else text
