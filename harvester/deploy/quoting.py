"""Words and values in the forms in which systemd, cron and files of settings read them."""

from __future__ import annotations

import re
import shlex

_UNQUOTED = re.compile(r"[A-Za-z0-9_@%+=:,./~-]+")


def setting_value(value: str) -> str | None:
    """Return a value in a form that systemd, compose and our `.env` files read alike; None if there is no such form."""
    if _UNQUOTED.fullmatch(value):
        return value
    return None if re.search(r"['\\$]", value) or not value.isprintable() else f"'{value}'"


def unit_path(path: object) -> str:
    """Return a path as the whole value of a setting of systemd, which reads `%` as a specifier."""
    return str(path).replace("%", "%%")


def unit_word(word: str) -> str:
    """Return one word of a value of systemd that holds several."""
    escaped = unit_path(word).replace("\\", "\\\\").replace('"', '\\"')
    return escaped if re.fullmatch(r"[\w@%+=:,./-]+", escaped) else f'"{escaped}"'


def cron_word(word: object) -> str:
    """Return one word of a command of cron: for its shell, and with `%`, which would end the command, escaped."""
    return shlex.quote(str(word)).replace("%", "\\%")
