"""The embedded server, on real processes: each test has a home of its own."""

import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from harvester.errors import WarehouseError
from harvester.warehouse import embedded
from harvester.warehouse.connect import open_connection

pytestmark = pytest.mark.usefixtures("processes")

UP = """
import sys
from pathlib import Path
from harvester.warehouse import embedded
print(embedded.up(Path(sys.argv[1])), flush=True)
"""


@pytest.fixture
def home():
    folder = Path(tempfile.mkdtemp(prefix="harvester-test-"))
    yield folder / "home"
    embedded.down(folder / "home")
    shutil.rmtree(folder)


def ask(url, statement):
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchall()


def write(url, value):
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def postmaster(home):
    pid = embedded.status(home).pid
    assert pid is not None
    return pid


def test_it_starts_serves_and_stops(home):
    assert embedded.status(home) == embedded.Status(False, None, home / "postgres", None)
    url = embedded.up(home)
    assert ask(url, "SELECT current_database(), current_setting('server_encoding')") == [("harvester", "UTF8")]
    assert embedded.url(home) == url
    assert embedded.down(home) is True
    assert embedded.status(home).running is False
    assert embedded.url(home) is None
    assert embedded.down(home) is False


def test_down_where_nothing_ever_was(home):
    assert embedded.down(home) is False
    assert not home.exists()


def test_up_again_is_the_same_server(home):
    first = embedded.up(home), postmaster(home)
    assert (embedded.up(home), postmaster(home)) == first


def test_a_restart_keeps_the_data(home):
    write(embedded.up(home), "kept")
    embedded.down(home)
    assert ask(embedded.up(home), "SELECT value FROM kept") == [("kept",)]


def test_settings_reach_the_server_and_an_operators_own_win(home):
    url = embedded.up(home)
    assert ask(url, "SHOW shared_buffers") == [("256MB",)]
    assert ask(url, "SHOW listen_addresses") == [("",)]
    assert ask(url, "SHOW synchronous_commit") == [("on",)]
    assert ask(url, "SHOW timezone") == [("UTC",)]
    ask_nothing = "ALTER SYSTEM SET max_connections = 20"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ask_nothing)
    embedded.down(home)
    assert ask(embedded.up(home), "SHOW max_connections") == [("20",)]


def test_several_processes_at_once_start_one_server(home):
    starters = [subprocess.Popen([sys.executable, "-c", UP, home], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {starter.communicate()[0].strip() for starter in starters} == {embedded.url(home)}
    assert [starter.returncode for starter in starters] == [0] * 4
    serving = [process for process in psutil.process_iter() if embedded._works_in(process.pid, home / "postgres")]
    assert len([process for process in serving if process.ppid() not in {other.pid for other in serving}]) == 1


def test_a_killed_postmaster_is_healed(home):
    url = embedded.up(home)
    write(url, "committed")
    with psycopg.connect(url) as left_open:
        left_open.execute("INSERT INTO kept VALUES ('not committed')")
        os.kill(postmaster(home), signal.SIGKILL)
        assert ask(embedded.up(home), "SELECT value FROM kept") == [("committed",)]
        left_open.close()


def test_a_killed_postmaster_with_a_busy_child_is_healed(home):
    """A child that computes does not see that its postmaster is gone, and holds the shared memory."""
    url = embedded.up(home)
    with psycopg.connect(url) as busy:
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1e12::bigint) a")
        os.kill(postmaster(home), signal.SIGKILL)
        assert ask(embedded.up(home), "SELECT 1") == [(1,)]
        busy.close()


def test_a_process_number_that_was_given_away_is_not_believed(home):
    """Lock files that a killed server left, whose number belongs to another process by now: this one."""
    write(embedded.up(home), "kept")
    lines = (home / "postgres/postmaster.pid").read_text().splitlines()
    embedded.down(home)
    lines[0] = str(os.getpid())
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (home / "postgres" / name).write_text("\n".join(lines) + "\n")
    assert embedded.status(home).running is False
    assert embedded.down(home) is False
    assert ask(embedded.up(home), "SELECT value FROM kept") == [("kept",)]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_the_server_outlives_its_starter_and_ctrl_c(home, end):
    """Ctrl-C goes to the whole foreground process group: the server must not be in it."""
    # A runner in the background hands down an ignored SIGINT.
    script = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n" + UP + "sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, home],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as starter:
        url = starter.stdout.readline().strip()
        server = postmaster(home)
        os.killpg(starter.pid, end)
        starter.wait(timeout=60)
    assert os.getsid(server) == server
    assert postmaster(home) == server
    assert ask(url, "SELECT 1") == [(1,)]


def test_a_home_too_deep_for_a_socket(home):
    deep = home / ("d" * 60) / ("e" * 60)
    try:
        url = embedded.up(deep)
        folder = Path(psycopg.conninfo.conninfo_to_dict(url)["host"])
        assert not folder.is_relative_to(home)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert ask(url, "SELECT 1") == [(1,)]
        embedded.down(deep)
        assert embedded.up(deep) == url
    finally:
        embedded.down(deep)
    shutil.rmtree(folder)


def test_a_socket_folder_of_somebody_elses_making_is_refused(home, monkeypatch):
    deep = home / ("d" * 60) / ("e" * 60)
    folder = embedded._Server(deep).wanted_socket_folder()
    folder.symlink_to("/")
    try:
        with pytest.raises(WarehouseError, match="not a private folder"):
            embedded.up(deep)
    finally:
        folder.unlink()


def test_a_name_that_a_shell_would_change(home):
    odd = home.with_name('it\'s a "home" of $HOME `id` é')
    try:
        assert ask(embedded.up(odd), "SELECT 1") == [(1,)]
    finally:
        embedded.down(odd)


def test_nobody_else_can_reach_the_data_or_the_socket(home):
    embedded.up(home)
    assert (home / "postgres").stat().st_mode & 0o077 == 0


def test_a_socket_that_others_could_put_there_is_not_asked(home):
    url = embedded.up(home)
    for place, mode in {home: 0o777, home.parent: 0o773, home / "postgres": 0o722}.items():
        before = place.stat().st_mode
        place.chmod(mode)
        for ask_for in (embedded.up, embedded.url):
            with pytest.raises(WarehouseError, match=rf"^[^\n]*/{place.name} [^\n]*chmod"):
                ask_for(home)
        place.chmod(0o1777 if place == home.parent else before)  # in a sticky folder nobody takes another's place
        assert embedded.url(home) == url
        place.chmod(before)


def test_a_server_of_another_user_is_not_asked(home, monkeypatch):
    """The user who has to answer is told to libpq; here one who does not."""
    url = embedded.up(home)
    own = pwd.getpwuid((home / "postgres").stat().st_uid).pw_name
    assert f"requirepeer={own}" in url
    with pytest.raises(WarehouseError, match="belongs to another user than the one who has to answer"):
        open_connection(url.replace(f"requirepeer={own}", "requirepeer=daemon"))
    daemon = pwd.getpwnam("daemon")
    with monkeypatch.context() as patch:
        patch.setattr(embedded.pwd, "getpwuid", lambda _: daemon)
        with pytest.raises(WarehouseError, match="a server of another user answers"):
            embedded.status(home)


def test_folders_above_are_as_they_were_after_down(home):
    """As root they are opened for the account of the server, as far as it has to pass; otherwise never."""
    inner = home.parent / "closed" / "deeper" / "home"
    inner.parent.mkdir(parents=True)
    folders = (inner.parents[1], inner.parent)
    for folder in folders:
        folder.chmod(0o700)
    opened = 0o701 if os.geteuid() == 0 else 0o700
    try:
        assert ask(embedded.up(inner), "SELECT 1") == [(1,)]
        assert [folder.stat().st_mode & 0o777 for folder in folders] == [opened] * 2
        os.kill(postmaster(inner), signal.SIGKILL)
        embedded.up(inner)
    finally:
        embedded.down(inner)
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700] * 2


def test_a_removed_socket_is_told_and_repaired_by_down_and_up(home):
    embedded.up(home)
    (home / "postgres/.s.PGSQL.5432").unlink()
    with pytest.raises(WarehouseError, match=r"socket .* was removed"):
        embedded.up(home)
    assert embedded.down(home) is True
    assert ask(embedded.up(home), "SELECT 1") == [(1,)]


def test_a_home_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for impossible in (tmp_path / "file", tmp_path / "file" / "home", Path("/proc/home")):
        with pytest.raises(WarehouseError, match=r"^the embedded PostgreSQL cannot use [^\n]*$"):
            embedded.up(impossible)


def test_a_disk_that_takes_no_more_leaves_nothing_half_made(home):
    """A limit on the size of files stands for the full disk: initdb fails while it writes."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, {resource.RLIM_INFINITY}))"
    script = f"{limit}\n{UP}"
    failed = subprocess.run([sys.executable, "-c", script, home], capture_output=True, text=True, check=False)
    last = failed.stderr.strip().splitlines()[-1]
    assert "WarehouseError: initdb failed in" in last
    assert not list(home.glob("postgres*/*"))
    assert ask(embedded.up(home), "SELECT 1") == [(1,)]


def test_data_of_another_server_version_are_left_alone(home):
    (home / "postgres").mkdir(parents=True)
    (home / "postgres/PG_VERSION").write_text("16\n")
    with pytest.raises(WarehouseError, match="made by PostgreSQL 16"):
        embedded.up(home)
    assert [path.name for path in (home / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_reason_from_the_log_when_it_does_not_start(home):
    embedded.up(home)
    embedded.down(home)
    with (home / "postgres/postgresql.auto.conf").open("a") as conf:
        conf.write("shared_buffers = 'much'\n")
    with pytest.raises(WarehouseError, match=r"does not start: [^\n]+$"):
        embedded.up(home)


def test_the_log_of_the_server_quotes_no_row(home):
    url = embedded.up(home)
    write(url, "of a child")
    with pytest.raises(psycopg.DataError, match="of a child"):
        ask(url, "SELECT value::int FROM public.kept")
    log = embedded._Server(home).log.read_text()
    assert "ready to accept connections" in log
    assert "of a child" not in log


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            [
                'pg_restore: error: COPY failed for table "kept": ERROR:  canceling statement due to statement timeout',
                'CONTEXT:  COPY kept, line 4: "an error: of a child"',
            ],
            'COPY failed for table "kept": ERROR:  canceling statement due to statement timeout',
        ),
        (
            [
                '2026-12-01 03:20:31.123 UTC [47] ERROR:  invalid input syntax for type integer: "of a child"',
                "2026-12-01 03:20:31.123 UTC [47] DETAIL:  FATAL: of a child",
            ],
            "invalid input syntax for type integer",
        ),
        (
            ['pg_dump: error: connection to server on socket "/tmp/a" failed: FATAL:  database "a" does not exist'],
            'database "a" does not exist',
        ),
    ],
)
def test_a_complaint_quotes_no_row(lines, told):
    assert embedded.complaint("\n".join(lines)) == told


def test_the_account_is_made_under_the_path_of_cron(monkeypatch):
    """The account that is asked for is there, or may not be made: either shows that useradd was found."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert "useradd: " in embedded._make_account("root")


@pytest.mark.usefixtures("processes")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gets an account")
def test_folders_stay_open_while_another_server_starts(home):
    above = home.parent / "closed"
    above.mkdir(mode=0o700)
    one, other = above / "one", above / "other"
    embedded.up(one)
    closing = threading.Thread(target=embedded.down, args=[one])
    with embedded._keeping_parents_open(other):
        closing.start()
        closing.join(5)
        assert closing.is_alive()
        assert above.stat().st_mode & 0o777 == 0o701
    closing.join(60)
    assert above.stat().st_mode & 0o777 == 0o700
    assert not embedded.status(one).running


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gets an account")
def test_first_starts_at_once_share_one_account(monkeypatch, tmp_path):
    """An account of this test's own is made, and removed."""
    name = f"harvester-test-{os.getpid()}"
    monkeypatch.setattr(embedded, "ACCOUNT", name)
    at_once = threading.Barrier(4)

    def account(_):
        at_once.wait()
        return embedded._account(tmp_path)

    try:
        with ThreadPoolExecutor(4) as pool:
            found = set(pool.map(account, range(4)))
        assert found == {pwd.getpwnam(name)}
    finally:
        subprocess.run(["userdel", name], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gets an account")
def test_an_account_is_announced_before_it_is_made(monkeypatch, tmp_path, caplog):
    """By a name that useradd refuses: nothing is made on this machine."""
    monkeypatch.setattr(embedded, "ACCOUNT", "not:a:name")
    with pytest.raises(WarehouseError, match="cannot be created"):
        embedded._account(tmp_path)
    assert [record.getMessage() for record in caplog.records] == [
        "PostgreSQL does not run as root: its server gets the system account not:a:name, which is made now"
    ]
