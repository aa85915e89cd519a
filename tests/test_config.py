import os

import pytest

from harvester import __version__
from harvester.config import Settings, is_loopback, load, settings
from harvester.errors import UsageError

LOCAL = {"api_url": "http://127.0.0.1:8000", "site_url": "http://localhost:8000"}


def test_defaults(monkeypatch):
    monkeypatch.delenv("HARVESTER_HOME")
    found = load()
    assert found.api_url == "https://api.scratch.mit.edu"
    assert found.site_url == "https://scratch.mit.edu"
    assert found.rate == 5
    assert (found.database_url, found.contact, found.permission) == (None, None, None)
    assert found.home.is_absolute()
    assert found.home.name == "scratch-harvester"


def test_the_environment_is_read_once_until_the_cache_is_cleared(monkeypatch):
    monkeypatch.setenv("HARVESTER_RATE", "2.5")
    assert settings().rate == 2.5
    monkeypatch.setenv("HARVESTER_RATE", "3")
    assert settings().rate == 2.5
    settings.cache_clear()
    assert settings().rate == 3


def test_a_dotenv_file_is_read_below_the_environment(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("HARVESTER_RATE=1\nHARVESTER_CONTACT=a@example.org\nOTHER=x\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    monkeypatch.setenv("HARVESTER_RATE", "2")
    assert load().rate == 2
    assert load().contact == "a@example.org"


def test_an_env_file_that_is_not_text_is_refused(monkeypatch, tmp_path):
    (tmp_path / ".env").write_bytes(b"HARVESTER_CONTACT=\xff\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    with pytest.raises(UsageError, match="not UTF-8"):
        load()


def test_an_empty_variable_is_not_set(monkeypatch):
    monkeypatch.setenv("HARVESTER_DATABASE_URL", "")
    assert load().database_url is None


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_by_any_of_its_names(scheme):
    url = f"{scheme}://me:pass%40word@db.example.org:5433/name?sslmode=require"
    assert load(database_url=url).database_url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hunter2@db/name",
        "sqlite:///hunter2.db",
        "hunter2",
        "postgresql://me:hun@ter2@db/name",
        "postgresql://me:hunter2/x@db/name",
        "postgresql://me:hunter2?x@db/name",
        "postgresql://me:hunter2#x@db/name",
        "postgresql://me@db:hunter2/name",
    ],
)
def test_a_refused_database_url_is_named_but_never_shown(url, monkeypatch):
    monkeypatch.setenv("HARVESTER_DATABASE_URL", url)
    with pytest.raises(UsageError, match=r"^HARVESTER_DATABASE_URL: .*") as caught:
        load()
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__suppress_context__}"
    assert "hunter2" not in shown
    assert "ter2" not in shown
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "\n" not in str(caught.value)


def test_only_postgresql_is_said_to_be_supported():
    with pytest.raises(UsageError, match="only PostgreSQL >= 15 is supported"):
        load(database_url="mysql://me@db/name")


@pytest.mark.parametrize("host", ["[::1]:5432", "a:5432,b:5433", "a,b", "/tmp", ""])
def test_hosts_of_a_database_url(host):
    assert load(database_url=f"postgresql://me:x@{host.replace('/', '%2F')}/name")


def test_the_database_url_is_not_in_a_repr():
    found = load(database_url="postgresql://me:hunter2@db/name")
    assert "hunter2" not in f"{found!r} {found} {found.model_dump_json()}"


@pytest.mark.parametrize("rate", ["fast", "-1", "nan", "inf"])
def test_a_rate_is_a_number_of_0_or_more(rate):
    with pytest.raises(UsageError, match=r"^HARVESTER_RATE: must be a( valid)? number"):
        load(rate=rate, **LOCAL)


def test_an_unlimited_rate_is_for_loopback_hosts():
    assert load(rate=0, **LOCAL).rate == 0
    with pytest.raises(UsageError, match=r"HARVESTER_RATE: 0 .* loopback"):
        load(rate=0)
    with pytest.raises(UsageError, match="loopback"):
        load(rate=0, api_url=LOCAL["api_url"])


@pytest.mark.parametrize(
    "url",
    [
        "api.scratch.mit.edu",
        "/x",
        "ftp://a",
        "http://",
        "http://a:port",
        "http://u@a",
        "http://a?x=1",
        "http://[a",
    ],
)
def test_a_base_is_an_absolute_http_url(url):
    with pytest.raises(UsageError, match=r"^HARVESTER_API_URL: must be an absolute"):
        load(api_url=url)


@pytest.mark.parametrize("url", ["http://api.scratch.mit.edu", "http://10.0.0.1:1", "http://localhost.example.org"])
def test_a_public_host_is_asked_with_tls_alone(url):
    for name in ("api_url", "site_url", "projects_url"):
        with pytest.raises(UsageError, match=rf"^HARVESTER_{name.upper()}: must be https://"):
            load(**{name: url})
    assert load(api_url="https://10.0.0.1").api_url == "https://10.0.0.1"


def test_a_trailing_slash_of_a_base_is_dropped():
    assert load(api_url="http://localhost:1/").api_url == "http://localhost:1"


@pytest.mark.parametrize("contact", ["me", "me@", "me@example.org\r\nX: y", "ftp://a", "a b@example.org"])
def test_a_contact_is_an_address_that_fits_into_a_header(contact):
    with pytest.raises(UsageError, match=r"^HARVESTER_CONTACT: "):
        load(contact=contact)


def test_every_problem_is_named_on_one_line():
    with pytest.raises(UsageError, match=r"^HARVESTER_RATE: [^\n]*; HARVESTER_CONTACT: [^\n]*$"):
        load(rate="x", contact="x")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost.example.org", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("scratch.mit.edu", False),
    ],
)
def test_loopback(host, expected):
    assert is_loopback(host) is expected


def test_loopback_hosts_may_be_crawled_by_anybody():
    load(**LOCAL).check_crawl_allowed()
    load(api_url="http://[::1]:1", site_url="http://127.0.0.2").check_crawl_allowed()


def test_public_hosts_need_a_contact_and_a_permission():
    load(contact="a@example.org", permission="letter of 2026-03-01").check_crawl_allowed()
    with pytest.raises(UsageError) as caught:
        load().check_crawl_allowed()
    for part in (
        "HARVESTER_CONTACT",
        "HARVESTER_PERMISSION",
        "2026-01-22",
        "11.6",
        "11.13",
        "sandbox",
        "api.scratch.mit.edu",
    ):
        assert part in str(caught.value)
    with pytest.raises(UsageError) as caught:
        load(contact="a@example.org", site_url=LOCAL["site_url"]).check_crawl_allowed()
    assert "HARVESTER_PERMISSION" in str(caught.value)
    assert "HARVESTER_CONTACT" not in str(caught.value)
    with pytest.raises(UsageError, match="HARVESTER_CONTACT"):
        load(permission="x", api_url=LOCAL["api_url"]).check_crawl_allowed()


def test_the_host_of_sources_needs_a_permission_where_it_is_read():
    site = {"site_url": LOCAL["site_url"], "api_url": "https://api.example.org"}
    with pytest.raises(UsageError, match=r"refusing to crawl api\.example\.org: "):
        load(**site).check_crawl_allowed()
    with pytest.raises(UsageError, match=r"refusing to crawl api\.example\.org and projects\.scratch\.mit\.edu: "):
        load(**site, sources=True).check_crawl_allowed()
    # The ids of a sandbox are of others there: no permission is for that.
    with pytest.raises(UsageError, match=r"HARVESTER_PROJECTS_URL: projects\.scratch\.mit\.edu is public"):
        load(**LOCAL, sources=True, contact="a@example.org", permission="x")
    load(**LOCAL, sources=True, projects_url="http://localhost:1").check_crawl_allowed()


def test_the_user_agent_names_the_contact():
    assert (
        load(contact="https://example.org/bot").user_agent
        == f"scratch-harvester/{__version__} (+https://example.org/bot)"
    )
    assert load(**LOCAL).user_agent == f"scratch-harvester/{__version__}"


def test_an_env_file_of_somebody_elses_is_refused(tmp_path, monkeypatch):
    """It could send a session to another host. Root works in folders of others: there their owner's is taken."""
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("HARVESTER_RATE=3\n")
    assert load().rate == 3
    (tmp_path / ".env").chmod(0o646)
    with pytest.raises(UsageError, match=r"\.env file here can be written by others"):
        load()
    (tmp_path / ".env").chmod(0o644)
    owners, real = {}, os.stat

    def stat(path, **options):
        found = list(real(path, **options))
        found[4] = owners.get(str(path), found[4])
        return os.stat_result(found)

    monkeypatch.setattr(os, "stat", stat)
    for owners[".env"], owners["."], me, is_taken in (
        (1, 1, 1, True),
        (0, 1, 1, True),
        (2, 1, 1, False),
        (2, 2, 1, False),
        (2, 2, 0, True),
        (2, 0, 0, False),
        (0, 2, 0, True),
    ):
        monkeypatch.setattr(os, "geteuid", lambda me=me: me)
        if is_taken:
            assert load().rate == 3
        else:
            with pytest.raises(UsageError, match=r"\.env file here belongs to somebody else"):
                load()
