"""Exceptions of the project, by what to do about them.

| family     | exception         | raised when                                        | exit |
| ---------- | ----------------- | -------------------------------------------------- | ---- |
| `Stop`     | `UsageError`      | a setting, an option or an argument is wrong       | 2    |
|            | `WarehouseError`  | the database is unreachable, refuses, or has the   | 1    |
|            |                   | schema of another version                          |      |
|            | `OutputError`     | standard output takes no more                      | 1    |
|            | `LostBody`        | the file of a source is missing or was altered     | 1    |
|            | `MachineError`    | this machine lacks something, such as file         | 1    |
|            |                   | descriptors                                        |      |
|            | `ReaderGoneError` | the reader of a pipe closed it (`cli.output`)      | 141  |
|            | `NotFoundError`   | what is to be seeded is not there (`crawl.seeding`) | 1    |
| `Retry`    | `TransientHTTP`   | 429, 5xx, a timeout, a broken connection           | -    |
|            | `TooLarge`        | a response is larger than any may be (`crawl.fetch`) | -    |
| `SetAside` | `DecodeError`     | a response is not what its endpoint serves         | -    |
|            | `AboutAnotherError` | a response is about another entity (`crawl.fetch`) | -    |
|            | `Unusable`        | no attempt gave a usable response (`crawl.fetch`)  | -    |

`Stop` ends the program with one line that names the remedy. After `Retry` all requests slow down and the same
request is sent again. A response that is `SetAside` is kept whole in `crawl.quarantine`; the crawl continues, and the
visit gets no certificate past that response. Messages are single lines without secrets: they are printed and logged.

Four exceptions are caught by this project itself and have no family: `Interrupted` (`crawl.rate_limit`) ends the
requests that wait when a run is stopped, `NotBelieved` (`crawl.fetch`) postpones a visit, `DamagedSource`
(`source.model`) is an outcome of a request for a project's source, and `Unreadable` (`dataset.read`) is the problem of
a file of a release.
"""

# ruff: noqa: N818  (the names of the families say what to do)

from __future__ import annotations


class HarvesterError(Exception):
    """Base of the exceptions whose message is for a person."""

    exit_code = 1


class Stop(HarvesterError):
    """A person has to act; the same command would fail again."""


class UsageError(Stop):
    """A setting, an option or an argument is wrong."""

    exit_code = 2


class WarehouseError(Stop):
    """The database cannot be used."""


class LostBody(WarehouseError):
    """The file that holds the body of a source is missing or was altered."""


class MachineError(Stop):
    """This machine lacks something that the work needs."""


class OutputError(Stop):
    """Standard output cannot be written."""


class Retry(HarvesterError):
    """The same request may succeed later."""


class TransientHTTP(Retry):
    """The server gave no answer.

    Attributes:
        status: the HTTP status, None when no response came.
        retry_after: seconds that the server asked for, None when it named none.
    """

    def __init__(self, status: int | None, retry_after: float | None = None, why: str = "no response") -> None:
        self.status = status
        self.retry_after = retry_after
        answer = why if status is None else f"HTTP {status}"
        super().__init__(answer if retry_after is None else f"{answer}, retry after {retry_after:g} s")


class SetAside(HarvesterError):
    """A response cannot be used; the crawl continues without it."""


class DecodeError(SetAside):
    """The endpoint does not serve such a response."""
