"""The secret key and what stands beside it: of its owner alone, and never passed over because it cannot be read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harvester.erasure.remembered import load_rule
from harvester.errors import UsageError
from harvester.secret import secret_key
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def remade(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def test_a_key_is_made_once_and_read_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = secret_key(home)
    assert len(key) == 32
    assert secret_key(home) == key
    assert (home.stat().st_mode & 0o777, (home / "secret.key").stat().st_mode & 0o777) == (0o700, 0o600)


TRICKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (
        lambda p: (p.rename(p.with_name("other")), p.symlink_to(p.with_name("other"))),
        "a symbolic link, which is not followed",
    ),
    "a FIFO": (lambda p: remade(p, os.mkfifo), "not a regular file"),
    "a folder": (lambda p: remade(p, type(p).mkdir), "not a regular file"),
    "a large file": (lambda p: os.truncate(p, 10**9), "larger than 1,000 bytes"),
    "no text": (lambda p: p.write_bytes(b"\xff" * 64), "holds no key"),
    "a key for all to read": (lambda p: p.chmod(0o604), "can be read by others"),
    "a key in a folder for all to write": (lambda p: p.parent.chmod(0o707), "can be written by others"),
}


@pytest.mark.parametrize("what", TRICKS)
def test_a_key_that_others_can_know_or_replace_is_refused(tmp_path: Path, what: str) -> None:
    home = tmp_path / "home"
    secret_key(home)
    trick, words = TRICKS[what]
    trick(home / "secret.key")
    with pytest.raises(UsageError, match=words):
        secret_key(home)


def test_a_key_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_key(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: (tmp_path / "secret.key").stat().st_uid + 1)
    with pytest.raises(UsageError, match="belongs to somebody else"):
        secret_key(tmp_path)


def test_an_unreadable_erasure_file_is_refused(tmp_path: Path, database: str) -> None:
    """Taken for absent, it would bring back everybody who asked to be forgotten."""
    file = tmp_path / "erased.txt"
    with open_connection(database) as connection:
        assert not load_rule(connection, tmp_path)
        file.write_text("ab\n")
        assert load_rule(connection, tmp_path)
        for trick, words in (
            (lambda path: path.write_bytes(b"\xff"), "holds no hashes"),
            (lambda path: remade(path, os.mkfifo), "cannot be read: not a regular file"),
            (lambda path: remade(path, lambda one: one.symlink_to("/dev/null")), "cannot be read: a symbolic link"),
            (lambda path: remade(path, type(path).mkdir), "cannot be read: not a regular file"),
        ):
            trick(file)
            with pytest.raises(UsageError, match=words):
                load_rule(connection, tmp_path)
