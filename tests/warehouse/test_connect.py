import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from databases import HOSTILE, HOSTILE_ENVIRONMENT, make_hostile, pooler
from psycopg import sql

from harvester.config import load
from harvester.dataset.snapshot import open_snapshot
from harvester.errors import UsageError, WarehouseError
from harvester.warehouse import connect as way
from harvester.warehouse import schema
from harvester.warehouse.access import connect, server_url
from harvester.warehouse.connect import check_server_version, open_connection


def refused(url):
    with pytest.raises(WarehouseError) as caught:
        connect(load(database_url=url))
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for secret in ("correct horse", "correct%20horse", "hunter2"):
        assert secret not in message
    return message


@pytest.mark.every_postgres
def test_a_connection_is_in_utc_and_has_a_name(blank_database):
    with connect(load(database_url=blank_database)) as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        found = connection.execute("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        assert found.fetchone() == ("scratch-harvester",)


def test_options_are_passed_on_and_joined(blank_database):
    settings = load(database_url=f"{blank_database}&application_name=mine&options=-c%20work_mem%3D5MB")
    with connect(settings, autocommit=True) as connection:
        assert connection.autocommit
        assert connection.info.parameter_status("application_name") == "mine"
        assert connection.execute("SHOW work_mem").fetchone() == ("5MB",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)


def test_no_log_quotes_a_row_if_a_command_is_interrupted(blank_database, caplog):
    """Of a statement that had failed already, the driver would log the row."""

    def work(connection):
        connection.execute("CREATE TABLE public.comments (content text CHECK (content = ''))")
        with connection.pipeline():
            connection.execute("INSERT INTO public.comments VALUES ('of a child')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), connect(load(database_url=blank_database)) as connection:
        work(connection)
    assert caplog.text == ""


@pytest.mark.every_postgres
@pytest.mark.parametrize("where", ["database", "role", "environment"])
def test_a_session_is_the_same_whatever_its_defaults_are(blank_database, monkeypatch, where):
    role = psycopg.conninfo.conninfo_to_dict(blank_database)["user"]
    if where == "environment":
        for variable, value in HOSTILE_ENVIRONMENT.items():
            monkeypatch.setenv(variable, value)
    else:
        make_hostile(blank_database, where, role if where == "role" else None)
    try:
        with connect(load(database_url=blank_database)) as connection:
            found = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in HOSTILE}
            assert connection.execute("SHOW transaction_isolation").fetchone() == ("read committed",)
            emoji, moment, span, digits = connection.execute(
                "SELECT '😀', '2024-02-03 04:05:06.5Z'::timestamptz, '-1 day 2 hours'::interval, 0.1::float8 + 0.2"
            ).fetchone()
    finally:
        if where == "role":
            with psycopg.connect(blank_database, autocommit=True) as owner:
                owner.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(sql.Identifier(role)))
    assert found == {
        "client_encoding": "UTF8",
        "DateStyle": "ISO, MDY",
        "IntervalStyle": "postgres",
        "TimeZone": "UTC",
        "standard_conforming_strings": "on",
        "search_path": "",
        "bytea_output": "hex",
        "extra_float_digits": "1",
        "quote_all_identifiers": "off",
        "default_transaction_isolation": "read committed",
        "harvester.clock": "",
    }
    assert emoji == "😀"
    assert moment == datetime(2024, 2, 3, 4, 5, 6, 500_000, tzinfo=UTC)
    assert span == timedelta(days=-1, hours=2)
    assert digits == 0.1 + 0.2


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_is_not_utf8(embedded_server, encoding):
    name = f"in_{encoding.lower()}"
    with psycopg.connect(embedded_server.database_url("postgres"), autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        try:
            message = refused(embedded_server.database_url(name))
        finally:
            owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert f"{name} is encoded in {encoding}" in message
    assert "ENCODING 'UTF8'" in message


def test_a_setting_that_a_server_refuses(blank_database, monkeypatch):
    with monkeypatch.context() as environment:
        environment.setenv("PGTZ", "Nowhere/Land")
        assert "PGTZ" in refused(blank_database)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_any_scheme_becomes_the_one_that_is_read(scheme):
    assert server_url(load(database_url=f"{scheme}://me@db/name")) == "postgresql://me@db/name"


def test_a_port_where_nobody_listens():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        message = refused(f"postgresql://me:hunter2@127.0.0.1:{port}/name")
    assert message == f"the PostgreSQL at 127.0.0.1:{port} cannot be reached: no server listens there"


def test_a_socket_that_is_not_there(tmp_path):
    assert "no server listens there" in refused(f"postgresql://me:hunter2@/name?host={tmp_path}")


def test_a_host_that_does_not_exist():
    assert "the host name is unknown" in refused("postgresql://me:hunter2@nowhere.invalid/name")


def test_a_wrong_password(pg15_server):
    message = refused(pg15_server.database_url("postgres").replace("correct%20horse", "hunter2"))
    assert "refused the password of owner" in message
    assert "HARVESTER_DATABASE_URL" in message


def test_no_password(pg15_server):
    assert "asks for a password of owner" in refused(
        pg15_server.database_url("postgres").replace(":correct%20horse", "")
    )


def test_an_unknown_database(pg15_server):
    assert "has no database nowhere" in refused(pg15_server.database_url("nowhere"))


def test_an_unknown_role(embedded_server):
    assert "has no role nobody" in refused(embedded_server.database_url("postgres").replace("harvester@", "nobody@"))


def test_another_kind_of_database():
    with pytest.raises(UsageError, match="only PostgreSQL >= 15"):
        connect(load(database_url="mysql://me:hunter2@db/name"))


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@db/name?no_such=1", "postgresql://me:hunter2%ZZ@db/name"])
def test_a_url_that_libpq_cannot_read(url):
    assert "cannot be read" in refused(url)


def test_a_server_that_is_too_old():
    check_server_version(150000, "it")
    with pytest.raises(WarehouseError, match=r"^the server is PostgreSQL 14\.22: 15 or later is needed$"):
        check_server_version(140022, "the server")


def test_the_embedded_server_is_not_started_against_ones_will(tmp_path):
    with pytest.raises(WarehouseError, match="harvester db up"):
        server_url(load(home=tmp_path), start=False)


def test_a_connection_by_url(blank_database):
    with open_connection(blank_database) as connection:
        assert isinstance(connection, psycopg.Connection)


@pytest.mark.parametrize(("mode", "size"), [("transaction", 1), ("transaction", 5), ("statement", 5)])
def test_a_pooler_that_keeps_no_session_is_refused(embedded_server, blank_database, mode, size):
    with pooler(embedded_server.database_url("postgres"), mode, size) as pooled:
        url = pooled(blank_database)
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other, busy(other) as rounds:
            for _ in range(5):
                message = refused(url)
                assert "pooler in transaction mode" in message
                assert "pool_mode = session, or connect to PostgreSQL directly" in message
        assert rounds
        with pytest.raises(WarehouseError, match="pool_mode = session"):
            schema.migrate(url)


def test_a_pooler_with_a_single_connection_is_refused(embedded_server, blank_database, monkeypatch):
    monkeypatch.setattr(way, "CONNECT_TIMEOUT", 1)
    with pooler(embedded_server.database_url("postgres"), "session", 1) as pooled:
        assert "no second connection to lend" in refused(pooled(blank_database))


def test_a_pooler_that_keeps_sessions_is_used(embedded_server, database, monkeypatch):
    with pooler(embedded_server.database_url("postgres"), "session", 3) as pooled:
        url = pooled(database)
        with open_connection(url) as first, open_connection(url) as second:
            assert first.execute("SHOW timezone").fetchone() == second.execute("SHOW timezone").fetchone() == ("UTC",)
        with open_snapshot(load(database_url=url)) as snapshot:
            assert snapshot.rows("SELECT 7::bigint AS seven") == [{"seven": 7}]
        with psycopg.connect(database, autocommit=True) as own:
            own.execute(f'ALTER DATABASE "{own.info.dbname}" SET quote_all_identifiers = on')
            own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        while is_cut(url):  # the pooler may not have noticed yet
            pass
        with pytest.raises(WarehouseError, match="RESET quote_all_identifiers"), open_snapshot(load(database_url=url)):
            pass
        monkeypatch.setenv("PGOPTIONS", "-c work_mem=5MB")
        assert "PGOPTIONS" in refused(url)


def is_cut(url):
    try:
        with psycopg.connect(url) as connection:
            connection.execute("SELECT 1")
    except (psycopg.OperationalError, psycopg.InternalError):  # the answers to two commands may come as one
        return True
    return False


@contextmanager
def busy(connection):
    """Use a connection all the time; the list holds what it was used for."""
    over, rounds = threading.Event(), []

    def use():
        while not over.is_set():
            rounds.append(connection.execute("SELECT pg_backend_pid()").fetchone())

    thread = threading.Thread(target=use)
    thread.start()
    try:
        yield rounds
    finally:
        over.set()
        thread.join()


def test_a_pooler_whose_connections_are_cut_is_asked_again(embedded_server, blank_database, monkeypatch):
    """It has a second connection to lend, which ends while it is asked for."""
    ask, asked = way._pid_within, []

    def cut(connection, seconds):
        asked.append(connection)
        if len(asked) == 3:
            with psycopg.connect(blank_database, autocommit=True) as own:
                own.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        return ask(connection, seconds)

    monkeypatch.setattr(way, "_pid_within", cut)
    with (
        pooler(embedded_server.database_url("postgres"), "session", 3) as pooled,
        open_connection(pooled(blank_database)) as connection,
    ):
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert len(asked) > len(way._ASKED)


@pytest.mark.parametrize(("cuts", "holds"), [(2, True), (3, False)])
def test_a_connection_that_is_cut_at_once_is_made_again(blank_database, monkeypatch, cuts, holds):
    prepare, made = way._prepare, []

    def cut(connection, server):
        made.append(connection)
        if len(made) <= cuts:
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return prepare(connection, server)

    monkeypatch.setattr(way, "_prepare", cut)
    if holds:
        with open_connection(blank_database) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    else:
        with pytest.raises(WarehouseError, match="the connection to the database broke"):
            open_connection(blank_database)
    assert len(made) == 3
    assert all(connection.closed for connection in made)
