from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.config import is_loopback
from harvester.http_server import Application, PageKind
from harvester.sandbox import control
from harvester.sandbox.community import Community


@pytest.fixture
def own(new_client):
    return new_client(Community(20, seed=1))


def test_settings(own):
    assert own.get("/sandbox/settings").json() == {
        "churn": 0.0,
        "churn_per_request": 0.0,
        "latency_ms": 0.0,
        "trouble": 0.0,
        "lost_events": 0.0,
        "odd": 0.0,
        "stale_tokens": 0.0,
        "huge_project": 0.0,
        "page_max": 0,
        "offset_max": 0,
        "list_max": 0,
        "everything": 0,
        "everything_after": 0,
        "packed": 0,
        "faults": "",
        "first_faults": "",
    }
    now = own.request("/sandbox/settings?churn_per_request=0.5&faults=429%3D0.25", "POST").json()
    assert (now["churn_per_request"], now["faults"]) == (0.5, "429=0.25")
    for bad in (
        "speed=1",
        "churn=x",
        "churn=-1",
        "churn=inf",
        "faults=nope%3D1",
        "faults=&first_faults=nope",
        "churn=3&faults=nope%3D1",
        "page_max=1.5",
        "everything=5",
    ):
        answer = own.request(f"/sandbox/settings?{bad}", "POST")
        assert answer.status == 400
        assert answer.json()["message"]
    assert own.get("/sandbox/settings").json() == now
    assert own.request("/sandbox/settings?faults=", "POST").json()["faults"] == ""


def test_requests_are_counted_but_not_those_under_sandbox(own):
    name = own.community.users.name[0]
    for path in (f"/users/{name}", f"/users/{name}", f"/users/{name}/followers?limit=41", "/projects/1", "/no/where"):
        own.get(path)
    own.get("/sandbox/seeds")
    counted = own.get("/sandbox/requests").json()
    assert counted["total"] == 5
    routes = {"/users/{user}": 2, "/users/{user}/followers": 1, "/projects/{project}": 1, "other": 1}
    assert counted["by_route"] == routes
    assert counted["by_status"] == {"200": 2, "400": 1, "404": 2}
    log = own.get("/sandbox/requests/log").lines()
    assert [row[1:] for row in log][2] == ["GET", f"/users/{name}/followers?limit=41", 400]
    assert [row[0] for row in log] == sorted(row[0] for row in log)
    own.request("/sandbox/requests/reset", "POST")
    assert own.get("/sandbox/requests").json() == {"total": 0, "by_route": {}, "by_status": {}, "by_fault": {}}
    assert own.get("/sandbox/requests/log").lines() == []


def test_seeds_are_all_that_is_public(own):
    seeds = own.get("/sandbox/seeds").json()
    for kind, names in seeds.items():
        assert own.get(f"/sandbox/seeds/{kind}").body.decode().split("\n") == [*map(str, names), ""]
    assert seeds["users"] == own.community.users.name
    assert len(seeds["projects"]) == sum(own.community.projects.is_shared)
    assert all(own.get(f"/projects/{each}").status == 200 for each in seeds["projects"])
    assert all(own.get(f"/studios/{each}").status == 200 for each in seeds["studios"])


def test_faults_and_churn_leave_control_alone(own):
    own.request("/sandbox/settings?faults=500%3D1&churn_per_request=5&latency_ms=1000", "POST")
    now = own.community.now
    assert own.get("/sandbox/seeds").status == 200
    assert own.community.now == now


def test_wrong_paths_and_methods(own):
    assert own.get("/sandbox/nothing").status == 404
    assert own.get("/sandbox/churn").status == 405
    assert own.request("/sandbox/truth/users", "POST").status == 405
    assert own.get("/sandbox/truth/users?form=user:x").status == 400


def test_control_is_for_this_machine_only(own):
    assert own.request("/sandbox/seeds", client="::1").status == 200
    assert own.request("/sandbox/seeds", client="192.0.2.1").status == 404
    assert own.request("/", client="192.0.2.1").status == 200


LOCAL = {"Host": "localhost:1"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (LOCAL, 200),
        ({"Host": "[::1]:1"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "rebound.example:1"}, 404),
        ({"Host": "127.0.0.1.example"}, 404),
        ({"Host": "192.0.2.1"}, 404),
        ({"Host": ""}, 404),
        ({"Host": "[::1"}, 404),
        (LOCAL | {"Origin": "http://localhost:1"}, 200),
        (LOCAL | {"Origin": "http://localhost:2"}, 404),
        (LOCAL | {"Origin": "http://elsewhere.example"}, 404),
        (LOCAL | {"Origin": "null"}, 404),
        (LOCAL | {"Sec-Fetch-Site": "none"}, 200),
        (LOCAL | {"Sec-Fetch-Site": "cross-site"}, 404),
        (LOCAL | {"Sec-Fetch-Site": "same-site"}, 404),
    ],
)
def test_control_is_for_no_page_of_somebody_elses(own, headers, status):
    """A browser of this machine is a loopback client: by a name that was made to point here, or from another page."""
    before = len(own.get("/sandbox/removed").lines())
    for method, path in (("GET", "/sandbox/seeds"), ("POST", "/sandbox/churn?events=300")):
        assert own.request(path, method, headers=headers).status == status
    assert (len(own.get("/sandbox/removed").lines()) > before) is (status == 200)
    assert own.request("/", headers=headers).status == 200


HOSTS = st.sampled_from(
    ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::2]", "192.0.2.1", "evil.example", "", "[::1"]
)
PORTS = st.sampled_from(["", ":1", ":65535", ":x"])


@given(HOSTS, PORTS, st.sampled_from(["", "http://", "null", "http://evil.example"]), HOSTS, PORTS)
def test_what_the_controls_admit_the_served_pages_admit_too(host, port, scheme, other, other_port):
    """The sandbox imports nothing of the server of pages, which admits other addresses of this machine as well."""
    headers = {"host": f"{host}{port}"} | ({"origin": f"{scheme}{other}{other_port}"} if scheme else {})
    encoded = {name.encode(): value.encode() for name, value in headers.items()}
    if control._is_from_here(encoded):
        page = Application(str, PageKind("/", "text/plain"))
        assert page._is_ours(headers["host"])
        assert page._is_ours(headers.get("origin", "//localhost").partition("//")[2])


@given(st.one_of(HOSTS.map(lambda host: host.strip("[]")), st.ip_addresses().map(str)))
def test_both_know_the_same_addresses_of_this_machine(host):
    assert control.is_loopback(host) == is_loopback(host)


def test_a_profile_says_what_a_request_put_there(own):
    name = own.community.users.name[3]
    own.request(f"/sandbox/profile?user={name.upper()}&bio=a%20%22word%22&status=x", "POST")
    assert {"bio": 'a "word"', "status": "x"}.items() <= own.get(f"/users/{name}").json()["profile"].items()
    (true,) = [row for row in own.get("/sandbox/truth/users").lines() if row["username"] == name]
    assert (true["bio"], true["status"]) == ('a "word"', "x")
    for bad in ("user=nobody-is-called-so&bio=x", f"user={name}", f"user={name}&country=x", ""):
        assert own.request(f"/sandbox/profile?{bad}", "POST").status == 400
