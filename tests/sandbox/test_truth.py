"""The stated truth equals what a reader finds that requests everything and knows nothing of the community."""

from __future__ import annotations

import html
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from harvester.sandbox.community import Community
from harvester.sandbox.truth import KEYS, TABLES, closure, key, truth

IMAGE = re.compile(r'<img src="/images/emoji/([a-z0-9-]+)\.png" class="emoji" alt="[a-z0-9-]+ emoji">')


def decode_text(served):
    return html.unescape(IMAGE.sub(r":\1:", served))


INDEXED = ("views", "loves", "favorites", "created_at", "modified_at", "shared_at")


class PageReader(HTMLParser):
    """Reads a page of comments by its marks alone: one dictionary a comment, texts as a browser shows them."""

    def __init__(self):
        super().__init__()
        self.comments = []
        self.inside = None
        self.depth = 0

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        classes = (given.get("class") or "").split()
        if tag == "li" and ("top-level-reply" in classes or "reply" in classes):
            self.place = ("reply" in classes, "removed" in classes)
        if tag == "div" and "comment" in classes:
            reply, removed = self.place
            found = {"id": int(given["data-comment-id"]), "reply": reply, "removed": removed, "text": "", "name": ""}
            self.comments.append(found)
        if not self.comments:
            return
        comment = self.comments[-1]
        if "data-comment-user" in given:
            comment["username"] = given["data-comment-user"]
        if tag == "div" and "content" in classes:
            self.inside, self.depth = "text", 0
        elif tag == "div" and "name" in classes:
            self.inside, self.depth = "name", 0
        elif self.inside == "text" and tag == "a" and given["href"].startswith("/users/"):
            comment["mention"] = given["href"].split("/")[2]
        elif self.inside == "text" and tag == "img":
            comment["text"] += ":" + given["src"].rsplit("/", 1)[1].removesuffix(".png") + ":"
        elif tag == "span" and "time" in classes:
            comment["time"] = given["title"]
        elif "data-commentee-id" in given:
            comment["author"] = int(given["data-commentee-id"])
            comment["thread"] = int(given["data-parent-thread"])

    def handle_endtag(self, tag):
        if tag == "div":
            self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.comments[-1][self.inside] += data


class Reader:
    """Reads everything there is to read, object by object and list by list, and makes rows of it."""

    def __init__(self, client, users, projects, studios):
        self.client = client
        self.rows = {table: [] for table in TABLES}
        self.images = {}
        self.owners = {}
        self.names = {}
        self.reverse_follows = set()
        self.reverse_placements = set()
        self.page_images = set()
        for name in users:
            self.user(name)
        self.site()
        for project_id in projects:
            self.project(project_id)
        for studio_id in studios:
            self.studio(studio_id)
        for user in self.rows["users"]:
            if user["id"] in self.page_images:
                self.images.setdefault(
                    user["id"], f"https://cdn2.scratch.mit.edu/get_image/user/{user['id']}_60x60.png"
                )
            if user["id"] in self.images:
                user["extra"]["image"] = self.images[user["id"]]

    def user(self, name):
        served = self.client.get(f"/users/{name}").json()
        profile = served["profile"]
        plain = {"id", "status", "bio", "country"}
        count = self.client.get(f"/users/{name}/messages/count").json()["count"]
        self.rows["message_counts"].append({"user_id": served["id"], "count": count})
        page = self.client.get(f"/users/{name}/")
        is_erased = served["history"]["joined"] == "2000-01-01T00:00:00.000Z"
        if is_erased:
            self.rows["gone_users"].append({"id": served["id"], "gone_reason": "erased under the GDPR"})
            assert re.fullmatch(r"gdpr\d{7}", served["username"])
            assert (profile["country"], profile["status"], profile["bio"]) == (None, "", "")
        elif page.status == 404:
            self.rows["gone_users"].append({"id": served["id"], "gone_reason": "deleted or banned"})
            assert self.client.get(f"/accounts/checkusername/{name}").json()["msg"] == "username exists"
            assert self.client.get(f"/site-api/comments/user/{name}/").status == 403
            assert self.client.get(f"/site-api/users/all/{name}/").status == 404
        else:
            featured = self.client.get(f"/site-api/users/all/{name}/").json()
            assert featured["user"] == {"username": name + "*" * served["scratchteam"], "pk": served["id"]}
            assert featured["id"] == profile["id"]
            more = ("thumbnail_url", "featured_project_label_id", "featured_project_data")
            profile |= {key: featured[key] for key in more}
            profile["group"] = re.search(r'class="group">\s*(.+?)\s*<', page.body.decode())[1]
            self.profile_comments(name, served["id"])
        self.rows["users"] += (
            []
            if is_erased or page.status == 404
            else [
                {
                    "id": served["id"],
                    "username": served["username"],
                    "joined_at": served["history"]["joined"],
                    "scratch_team": served["scratchteam"],
                    "country": profile["country"],
                    "status": profile["status"],
                    "bio": profile["bio"],
                    "profile_id": profile["id"],
                    "featured_project_id": featured["featured_project"],
                    "featured_label": featured["featured_project_label_name"],
                    "extra": {name: value for name, value in profile.items() if name not in plain},
                }
            ]
        )
        me = served["id"]
        for other in self.client.read(f"/users/{name}/followers"):
            self.rows["follows"].append({"follower_id": other["id"], "followee_id": me})
        self.reverse_follows |= {(me, other["id"]) for other in self.client.read(f"/users/{name}/following")}
        for project in self.client.read(f"/users/{name}/favorites"):
            self.rows["favorites"].append({"user_id": me, "project_id": project["id"]})

    def profile_comments(self, name, user_id):
        threads = {}
        for number in range(1, 69):
            page = self.client.get(f"/site-api/comments/user/{name}/?page={number}")
            if page.status == 404:
                break
            reader = PageReader()
            reader.feed(page.body.decode())
            for comment in reader.comments:
                self.page_images.add(comment["author"])
                assert comment["name"].strip().removesuffix("*") == comment["username"]
                if not comment["removed"]:
                    threads.setdefault(comment["thread"], []).append(comment)
        for thread, comments in threads.items():
            for comment in comments:
                mention = comment.get("mention")
                text = comment["text"].strip()
                if mention:
                    text = f"@{mention} {text.removeprefix('@' + mention).strip()}".strip()
                self.rows["profile_comments"].append(
                    {
                        "id": comment["id"],
                        "user_id": user_id,
                        "parent_id": thread if comment["reply"] else None,
                        "author_id": comment["author"],
                        "commentee_id": None,
                        "content": text,
                        "content_raw": None,
                        "created_at": comment["time"].replace("Z", ".000Z"),
                        "modified_at": None,
                        "visibility": "visible",
                        "reply_count": 0 if comment["reply"] else sum(each["reply"] for each in comments),
                        "extra": {"commentee_username": mention} if mention else {},
                    }
                )

    def site(self):
        for item in self.client.read("/news"):
            self.rows["news"].append(item | {"id": str(item["id"])})
        self.rows["site_counts"].append({"name": "projects", **self.client.get("/projects/count/all").json()})
        sighted = self.rows["rankings"]
        for row, entries in self.client.get("/proxy/featured").json().items():
            for place, entry in enumerate(entries):
                kind = "studio" if entry["type"] == "gallery" else "project"
                sighted.append(
                    {"ranking": f"front-page/{row}", "position": place, "kind": kind, "thing_id": entry["id"]}
                    | dict.fromkeys(INDEXED)
                    | {"loves": entry.get("love_count")}
                )
        for way, query in (("explore", "*"), ("search", "cat")):
            for kind in ("project", "studio"):
                for mode in ("popular", "trending"):
                    name = f"{way}/{kind}s?q={query}&mode={mode}&language=en"
                    found, offset = [], 0
                    while page := self.client.get(f"/{name}&limit=40&offset={offset}").json():
                        found += page
                        offset += 40
                    for place, entry in enumerate(found):
                        assert (entry["visibility"], entry["public"]) == ("notvisible", False)
                        row = {"ranking": name, "position": place, "kind": kind, "thing_id": entry["id"]}
                        stats, dates = entry["stats"], entry["history"]
                        counters = {name: stats.get(name) for name in ("views", "loves", "favorites")}
                        sighted.append(
                            row
                            | counters
                            | {"created_at": dates["created"], "modified_at": dates["modified"]}
                            | {"shared_at": dates.get("shared")}
                        )

    def activity(self, place, studio_id):
        columns = (
            "type",
            "actor_id",
            "actor_username",
            "project_id",
            "project_title",
            "username",
            "recipient_username",
        )
        seen, limit = {}, ""
        while True:
            page = self.client.get(f"{place}/activity?limit=40{limit}").json()
            new = [entry for entry in page if entry["id"] not in seen]
            seen |= {entry["id"]: entry for entry in new}
            if not new:
                break
            limit = "&dateLimit=" + page[-1]["datetime_created"].replace(":", "%3A")
        for entry in seen.values():
            row = {"studio_id": studio_id, "id": entry.pop("id"), "created_at": entry.pop("datetime_created")}
            row |= {name: entry.pop(name, None) for name in columns}
            self.rows["studio_activity"].append(row | {"extra": entry})

    def project(self, project_id):
        served = self.client.get(f"/projects/{project_id}").json()
        author = served.pop("author")
        flags = {name: served[name] for name in ("visibility", "public", "comments_allowed", "is_published")}
        texts = {name: served[name] for name in ("title", "description", "instructions")}
        self.rows["projects"].append(
            {
                "id": served["id"],
                "author_id": author["id"],
                **texts,
                **flags,
                **{f"{name}_at": served["history"][name] for name in ("created", "modified", "shared")},
                **served["stats"],
                "parent_id": served["remix"]["parent"],
                "root_id": served["remix"]["root"],
                "extra": {"image": served["image"], "images": served["images"]},
            }
        )
        place = f"/users/{author['username']}/projects/{project_id}"
        self.comments("project", place, project_id)
        for studio in self.client.read(f"{place}/studios"):
            self.reverse_placements.add((studio["id"], project_id))

    def studio(self, studio_id):
        served = self.client.get(f"/studios/{studio_id}").json()
        copied = ("id", "title", "description", "visibility", "public", "open_to_all", "comments_allowed")
        counts = {"comment": "comments", "follower": "followers", "manager": "managers", "project": "projects"}
        self.rows["studios"].append(
            {
                **{name: served[name] for name in copied},
                "host_id": served["host"],
                "created_at": served["history"]["created"],
                "modified_at": served["history"]["modified"],
                **{f"{column}_count": served["stats"][name] for column, name in counts.items()},
                "extra": {"image": served["image"]},
            }
        )
        place = f"/studios/{studio_id}"
        for entry in self.client.read(f"{place}/projects"):
            row = {"studio_id": studio_id, "project_id": entry["id"], "added_by_id": entry["actor_id"]}
            self.rows["studio_projects"].append(row)
        managers = [user["id"] for user in self.client.read(f"{place}/managers")]
        assert served["host"] in (managers[0], None)
        assert len(managers) <= 40
        roles = ["host" if served["host"] else "manager"] + ["manager"] * (len(managers) - 1)
        curators = [user["id"] for user in self.client.read(f"{place}/curators")]
        roles += ["curator"] * len(curators)
        for user_id, role in zip(managers + curators, roles, strict=True):
            self.rows["studio_members"].append({"studio_id": studio_id, "user_id": user_id, "role": role})
        self.comments("studio", place, studio_id)
        self.activity(place, studio_id)

    def comments(self, kind, place, owner_id):
        for thread in self.client.read(f"{place}/comments"):
            self.comment(kind, owner_id, thread)
            replies = self.client.read(f"{place}/comments/{thread['id']}/replies")
            assert bool(replies) == bool(thread["reply_count"])
            for reply in replies:
                assert reply["parent_id"] == thread["id"]
                self.comment(kind, owner_id, reply)

    def comment(self, kind, owner_id, served):
        seen = decode_text(served["content"])
        self.images[served["author"]["id"]] = served["author"]["image"]
        self.rows[f"{kind}_comments"].append(
            {
                "id": served["id"],
                f"{kind}_id": owner_id,
                "parent_id": served["parent_id"],
                "author_id": served["author"]["id"],
                "commentee_id": served["commentee_id"],
                "content": seen,
                "content_raw": served["content"] if served["content"] != seen else None,
                "created_at": served["datetime_created"],
                "modified_at": served["datetime_modified"],
                "visibility": served["visibility"],
                "reply_count": served["reply_count"],
                "extra": {},
            }
        )


@pytest.fixture(scope="module", params=[0, 600], ids=["new", "lived-in"])
def read(request, new_client):
    client = new_client(Community(150, seed=3))
    client.community.churn(request.param)
    seeds = client.get("/sandbox/seeds").json()
    return Reader(client, **seeds)


def by_key(table, rows):
    found = {key(table, row): row for row in rows}
    assert len(found) == len(rows)
    return found


SERVED = [table for table in TABLES if table != "erased_users"]
"""All but what was served once: see `test_an_erasure_leaves_a_made_up_name` of `test_churn.py`."""


@pytest.mark.parametrize("table", SERVED)
def test_truth_is_what_is_served(read, table):
    found, stated = by_key(table, read.rows[table]), by_key(table, list(truth(read.client.community, table)))
    assert found == stated
    assert list(stated) == [key(table, row) for row in read.client.get(f"/sandbox/truth/{table}").lines()]


def test_both_ends_of_an_edge_agree(read):
    follows = {(row["follower_id"], row["followee_id"]) for row in read.rows["follows"]}
    assert follows == read.reverse_follows
    assert {(row["studio_id"], row["project_id"]) for row in read.rows["studio_projects"]} == read.reverse_placements


def test_unknown_tables_are_refused(community, client):
    with pytest.raises(ValueError, match="one of users, projects"):
        truth(community, "loves")
    assert client.get("/sandbox/truth/loves").status == 400
    assert set(KEYS) == set(TABLES)


def closure_by_reading(client, names):
    """Users, projects and studios reached from users, found over HTTP alone."""
    users, projects, studios = {}, {}, {}
    due = [("user", name) for name in names]
    seen = set()
    while due:
        kind, name = due.pop()
        if (kind, name) in seen:
            continue
        seen.add((kind, name))
        if kind == "user":
            users[client.get(f"/users/{name}").json()["id"]] = name
            for stream in ("projects", "favorites"):
                due += [("project", project["id"]) for project in client.read(f"/users/{name}/{stream}")]
            for stream in ("followers", "following"):
                due += [("user", user["username"]) for user in client.read(f"/users/{name}/{stream}")]
            due += [("studio", studio["id"]) for studio in client.read(f"/users/{name}/studios/curate")]
            for number in range(1, 69):
                page = client.get(f"/site-api/comments/user/{name}/?page={number}")
                if page.status != 200:
                    break
                due += [("user", author) for author in re.findall(r'data-comment-user="(.+?)"', page.body.decode())]
        else:
            if kind == "project":
                author = client.get(f"/projects/{name}").json()["author"]["username"]
                projects[name] = author
                place = f"/users/{author}/projects/{name}"
                due += [("user", author)]
                due += [("project", project["id"]) for project in client.read(f"/projects/{name}/remixes")]
                due += [("studio", studio["id"]) for studio in client.read(f"{place}/studios")]
            else:
                studios[name] = place = f"/studios/{name}"
                due += [("project", project["id"]) for project in client.read(f"{place}/projects")]
                for stream in ("managers", "curators"):
                    due += [("user", user["username"]) for user in client.read(f"{place}/{stream}")]
            for thread in client.read(f"{place}/comments"):
                replies = client.read(f"{place}/comments/{thread['id']}/replies") if thread["reply_count"] else []
                due += [("user", comment["author"]["username"]) for comment in (thread, *replies)]
    return {"user": set(users), "project": set(projects), "studio": set(studios)}


@pytest.mark.parametrize("seed", range(4))
def test_closure_is_what_following_every_link_finds(new_client, seed):
    client = new_client(Community(12, seed))
    names = client.community.users.name
    # New users without any ties make sure that something is out of reach.
    client.community.churn(40)
    for name in names[:3]:
        assert closure(client.community, [("user", name)]) == closure_by_reading(client, [name])
    found = client.get(f"/sandbox/closure?from=user:{names[0]}&from=user:{names[1]}").json()
    expected = closure_by_reading(client, names[:2])
    assert {kind: set(ids) for kind, ids in found.items()} == expected


def test_some_are_alone_and_most_are_not(community):
    found = [len(closure(community, [("user", name)])["user"]) for name in community.users.name[:40]]
    sizes = Counter(found)
    giant = max(sizes)
    assert giant > 0.85 * len(community.users)
    ids = closure(community, [("user", community.users.name[found.index(giant)])])["user"]
    outside = [row for row in range(len(community.users)) if community.users.id[row] not in ids]
    assert outside
    lonely = closure(community, [("user", community.users.name[outside[0]])])
    assert lonely == {"user": {community.users.id[outside[0]]}, "project": set(), "studio": set()}


def test_truth_within_a_closure(community):
    projects = community.projects
    hidden = projects.is_shared.index(0)
    assert closure(community, [("project", projects.id[hidden])]) == {"user": set(), "project": set(), "studio": set()}
    alone = {"user": {community.users.id[0]}, "project": set(), "studio": set()}
    assert [row["id"] for row in truth(community, "users", alone)] == [community.users.id[0]]
    assert list(truth(community, "project_comments", alone)) == []
    whole = closure(community, [("user", community.users.name[row]) for row in range(len(community.users))])
    for table in TABLES:
        inside = {key(table, row) for row in truth(community, table, whole)}
        assert inside <= {key(table, row) for row in truth(community, table)}
    # An image is known of those whose comment was read.
    gone = {community.users.id[row] for row in community.users.gone}
    owner = next(iter(community.project_comments.threads))
    one = {"user": set(whole["user"]), "project": {projects.id[owner]}, "studio": set()}
    commenters = {row["author_id"] for row in truth(community, "project_comments", one)}
    on_profiles = {community.users.id[row] for row in community.profile_comments.author}
    pictured = {row["id"] for row in truth(community, "users", one) if "image" in row["extra"]}
    assert pictured - on_profiles == commenters - on_profiles - gone


@pytest.mark.parametrize("seed", ["team:x", "user", "project:x", "studio:"])
def test_bad_seeds_are_refused(client, seed):
    answer = client.get(f"/sandbox/closure?from={seed}")
    assert answer.status == (200 if seed == "user" else 400)
