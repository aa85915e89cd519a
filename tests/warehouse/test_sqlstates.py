"""Each class of error, provoked on a real server, and what is done about it."""

from __future__ import annotations

import random
import string
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.warehouse import contention
from harvester.warehouse.connect import open_connection, refusal
from harvester.warehouse.contention import retry_contention
from harvester.warehouse.sqlstates import CAUSES, PASSING, Cause, cause_of, cause_of_state

if TYPE_CHECKING:
    from collections.abc import Iterator

TOO_LONG_FOR_AN_INDEX = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=6_000))
DEEP = "[" * 100_000

STATEMENTS: list[tuple[str, list[Any], str, Cause]] = [
    ("SELECT 1 FROM pg_class WHERE 1 = (SELECT generate_series(1, 2))", [], "21000", Cause.DATA),
    ("SELECT %s::text::smallint", ["70000"], "22003", Cause.DATA),
    ("SELECT %s::jsonb", [DEEP], "54001", Cause.DATA),
    ("INSERT INTO public.t (name) VALUES (%s)", [None], "23502", Cause.DATA),
    ("INSERT INTO public.t (name) VALUES (%s)", [TOO_LONG_FOR_AN_INDEX], "54000", Cause.DATA),
    ("SELECT public.nowhere()", [], "42883", Cause.DEFECT),
    ("SELECT pg_sleep(60)", [], "57014", Cause.BUSY),
    ("CREATE DATABASE x", [], "25001", Cause.DEFECT),
    ("SET LOCAL ROLE pg_signal_backend; SELECT * FROM public.t", [], "42501", Cause.RIGHTS),
    ("SET LOCAL transaction_read_only = on; DELETE FROM public.t", [], "25006", Cause.READ_ONLY),
    ("SET LOCAL temp_file_limit = 0; SELECT count(DISTINCT n::text) FROM generate_series(1, 400000) n", [],
     "53400", Cause.STORAGE),
]  # fmt: skip


@pytest.fixture
def connection(blank_database: str) -> Iterator[psycopg.Connection[Any]]:
    with open_connection(blank_database, autocommit=True) as opened:
        opened.execute("CREATE TABLE public.t (name text PRIMARY KEY)")
        opened.execute("SET statement_timeout = '2s'")
        yield opened


def error_of(connection: psycopg.Connection[Any], *statements: str, values: list[Any] | None = None) -> psycopg.Error:
    """What the last statement of a transaction is refused with."""
    *before, last = statements
    try:
        with connection.transaction():
            for statement in before:
                connection.execute(statement)
            connection.execute(last, values)
    except psycopg.Error as error:
        return error
    raise AssertionError("nothing was refused")


def test_each_error_of_a_statement_has_its_cause(connection: psycopg.Connection[Any]) -> None:
    for statement, values, state, cause in STATEMENTS:
        error = error_of(connection, statement, values=values or None)
        assert (error.sqlstate, cause_of(error)) == (state, cause), statement[:60]
        assert TOO_LONG_FOR_AN_INDEX not in refusal(error)
        assert "\n" not in refusal(error)


def test_transactions_that_are_in_the_way(connection: psycopg.Connection[Any], blank_database: str) -> None:
    connection.execute("INSERT INTO public.t VALUES ('a')")
    take = "UPDATE public.t SET name = name"
    with open_connection(blank_database, autocommit=True) as late, open_connection(blank_database) as first:
        late.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        late.execute("SELECT FROM public.t")
        connection.execute(take)
        with pytest.raises(psycopg.Error) as superseded:
            late.execute(take)
        first.execute(take)
        locked = error_of(connection, "SET LOCAL lock_timeout = '10ms'", take)
    assert (superseded.value.sqlstate, cause_of(superseded.value)) == ("40001", Cause.CONTENTION)
    assert (locked.sqlstate, cause_of(locked)) == ("55P03", Cause.BUSY)


def test_a_transaction_runs_again_while_others_are_in_its_way(
    connection: psycopg.Connection[Any], blank_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contention, "_LONGEST_PAUSE", 0.01)
    connection.execute("INSERT INTO public.t VALUES ('a')")
    take, tries, disturbed = "UPDATE public.t SET name = name", 0, 5

    def work() -> int:
        nonlocal tries
        tries += 1
        with late.transaction():
            late.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            late.execute("SELECT FROM public.t")
            if tries <= disturbed:
                connection.execute(take)
            late.execute(take)
        return tries

    with open_connection(blank_database, autocommit=True) as late:
        assert retry_contention(work) == 6
        tries, disturbed = 0, 99
        with pytest.raises(psycopg.errors.SerializationFailure):
            retry_contention(work)
        assert tries == contention._ATTEMPTS
        with pytest.raises(psycopg.errors.UndefinedTable):
            retry_contention(lambda: late.execute("SELECT FROM public.nothing"))


def test_connections_that_end(blank_database: str) -> None:
    with open_connection(blank_database, autocommit=True) as first, open_connection(blank_database) as second:
        second.execute("SELECT pg_terminate_backend(%s)", [first.info.backend_pid])
        told_by_the_server, known_by_the_driver = error_of(first, "SELECT 1"), error_of(first, "SELECT 1")
        assert {cause_of(told_by_the_server), cause_of(known_by_the_driver)} == {Cause.CONNECTION}
        with open_connection(blank_database, autocommit=True) as third:
            second.execute("SET idle_in_transaction_session_timeout = '10ms'")  # it is in a transaction
            while third.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [second.info.backend_pid]).rowcount:
                pass
        assert cause_of(error_of(second, "SELECT 1")) is Cause.CONNECTION


def test_errors_of_the_driver() -> None:
    assert cause_of(psycopg.DataError("a value that its column cannot hold")) is Cause.DATA
    assert cause_of(psycopg.OperationalError("the connection is lost")) is Cause.CONNECTION
    # As behind a pooler whose connection to the server is cut.
    assert cause_of(psycopg.InternalError("received 2 results from command 'BEGIN'")) is Cause.CONNECTION
    assert cause_of(psycopg.ProgrammingError("cannot adapt")) is Cause.DEFECT


def test_every_code_of_the_driver_has_a_cause_and_words() -> None:
    """No error of the data passes later, and whatever the driver knows as one of the data is one."""
    for name in dir(psycopg.errors):
        error = getattr(psycopg.errors, name)
        if isinstance(error, type) and issubclass(error, psycopg.Error) and error.sqlstate:
            cause = cause_of(error())
            assert refusal(error()), name
            if issubclass(error, psycopg.DataError | psycopg.IntegrityError):
                assert cause is Cause.DATA, name
            assert not (error.sqlstate[:2] in {"21", "22", "23", "42", "54"} and cause in PASSING), name
    assert all(cause_of_state(state) is cause for state, cause in CAUSES.items())
    assert set(CAUSES.values()) | {Cause.DEFECT} == set(Cause)
