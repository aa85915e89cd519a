"""Exceptions of the project, by what to do about them.

| family     | exception         | raised when                                        | exit |
| ---------- | ----------------- | -------------------------------------------------- | ---- |
| `Stop`     | `UsageError`      | a setting, an option or an argument is wrong       | 2    |
|            | `WarehouseError`  | the database is unreachable, refuses, or has the   | 1    |
|            |                   | schema of another version                          |      |
|            | `OutputError`     | standard output takes no more                      | 1    |
|            | `MachineError`    | this machine lacks something, such as file         | 1    |
|            |                   | descriptors                                        |      |
|            | `ReaderGoneError` | the reader of a pipe closed it (`cli.output`)      | 141  |
|            | `NotFoundError`   | what is to be seeded is not there (`crawl.seeding`) | 1    |
| `Retry`    | `TransientHTTP`   | 429, 5xx, a timeout, a broken connection           | -    |
| `SetAside` | `DecodeError`     | a response is not what its endpoint serves         | -    |
|            | `AboutAnotherError` | a response is about another entity (`crawl.fetch`) | -    |
|            | `Unusable`        | no attempt gave a usable response (`crawl.fetch`)  | -    |

`Stop` ends the program with one line that names the remedy. After `Retry` all requests slow down and the same
request is sent again. A response that is `SetAside` goes whole into `crawl.quarantine`; the rest of the work goes on,
and the visit gets no certificate past it.

Messages are single lines and hold no secret: they are printed and logged as they are.
"""

# ruff: noqa: N818  (a family says what to do, "Error" would not add to it)

from __future__ import annotations


class HarvesterError(Exception):
    """Whatever this project raises on purpose."""

    exit_code = 1


class Stop(HarvesterError):
    """A person has to act; trying again would only fail again."""


class UsageError(Stop):
    """A setting, an option or an argument makes no sense."""

    exit_code = 2


class WarehouseError(Stop):
    """The database cannot be used as it is."""


class MachineError(Stop):
    """This machine lacks something that the work needs."""


class OutputError(Stop):
    """Standard output takes no more of what a command prints."""


class Retry(HarvesterError):
    """The same thing may work later."""


class TransientHTTP(Retry):
    """The server could not answer now.

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
    """One response cannot be used; the rest of the work goes on."""


class DecodeError(SetAside):
    """A response is not what its endpoint serves."""
