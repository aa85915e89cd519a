"""Communities of some hundred rows, made up at random and written straight into the tables, without a crawl.

`whole` was read whole and lost nothing. `torn` has gaps, censoring and gone things everywhere: lists that were not
read, read in part, or read before the end of what is asked for; users, projects, studios, comments and links that are
gone; rows without dates, authors or counters. `edges` has its times within seconds of the ends of days and months, in
UTC and in other time zones, and readings, answers and counters that tie.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Integer

from harvester.source.rubric import Dimension
from harvester.warehouse.tables import source_facts

if TYPE_CHECKING:
    import psycopg

NAMES = ("whole", "torn", "edges")
BEGIN, END = datetime(2023, 11, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
READ = datetime(2026, 6, 10, 5, 30, tzinfo=UTC)
"""When a whole community was read."""
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
COUNTRIES = ("Chile", "Japan", "Kenya", "Norway", "Peru", "Nepal", "Canada")
USERS, PROJECTS, STUDIOS, COMMENTS = 70, 130, 24, 260
LISTS = {
    "user": "users", "user_projects": "users", "user_followers": "users", "user_following": "users",
    "profile_comments": "users", "project": "projects", "project_comments": "projects", "project_remixes": "projects",
    "studio": "studios", "studio_projects": "studios", "studio_comments": "studios", "studio_activity": "studios",
}  # fmt: skip
PLACES = {"project": ("project_id", "projects"), "studio": ("studio_id", "studios"), "profile": ("user_id", "users")}
RANKINGS = (
    "explore/projects?q=*&mode=trending&language=en", "explore/studios?q=*&mode=popular&language=ja",
    "front-page/newest", "search/projects?q=cat&mode=popular&language=en",
)  # fmt: skip


class Community:
    """The rows of one community, by table."""

    def __init__(self, name: str, seed: int) -> None:
        self.chance = Random(f"{name} {seed}")
        self.torn, self.edges = name == "torn", name == "edges"
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self._things()
        self._links()
        self._comments()
        self._frontier()
        self._history()
        self._samples()
        self._sources()

    def happens(self, share: float) -> bool:
        """Decide what only a torn community has."""
        return self.torn and self.chance.random() < share

    def time(self, first: datetime = BEGIN, last: datetime = END) -> datetime:
        if not self.edges:
            return first + (last - first) * self.chance.random() // SECOND * SECOND
        # Around midnight in UTC, in Kathmandu (18:15 UTC), and in Newfoundland (02:30 or 03:30 UTC).
        day = (
            datetime(first.year, first.month, first.day, tzinfo=UTC)
            + self.chance.randrange(max(1, (last - first).days)) * DAY
        )
        day = day.replace(day=self.chance.choice((1, 28, day.day if day.day < 28 else 27)))
        midnight = self.chance.choice(
            (timedelta(0), timedelta(hours=18.25), timedelta(hours=2.5), timedelta(hours=3.5))
        )
        return max(first, day + midnight + self.chance.choice((-SECOND, timedelta(0), SECOND)))

    def life(self, since: datetime) -> dict[str, Any]:
        """When a row was first seen, and whether it is gone."""
        first = min(READ, since + self.chance.random() * (READ - since)) if self.torn else READ - 30 * DAY
        gone = first + self.chance.random() * 40 * DAY
        if not self.happens(0.25):
            return {"first_seen_at": first, "gone_at": None, "last_seen_at": None}
        after = None if self.happens(0.3) else first + (gone - first) * self.chance.random()
        return {"first_seen_at": first, "gone_at": gone, "last_seen_at": after}

    def _things(self) -> None:
        pick, draw = self.chance.choice, self.chance.random
        self.tables["users"] = users = []
        for key in range(1, USERS + 1):
            joined = self.time(BEGIN, END)
            users.append({
                "id": key, "joined_at": None if self.happens(0.1) else joined,
                "country": None if self.happens(0.2) else pick(COUNTRIES), **self.life(joined),
            })  # fmt: skip
        self.tables["projects"] = projects = []
        for key in range(1, PROJECTS + 1):
            shared = self.time()
            views = int(1 / (draw() + 0.005))
            parent = root = None
            if key > 5 and draw() < 0.4:
                above = projects[self.chance.randrange(key - 1)]
                parent, root = above["id"], above["root_id"] or above["id"]
                if self.happens(0.2):
                    parent = None
                elif self.happens(0.2):
                    parent = 10_000 + self.chance.randrange(4)
                    root = self.chance.choice((None, parent, 20_000, key))
            projects.append({
                "id": key, "author_id": None if self.happens(0.1) else pick(users)["id"],
                "created_at": None if self.happens(0.1) else shared - HOUR,
                "shared_at": None if self.happens(0.1) else shared,
                "views": None if self.happens(0.1) else pick((0, 9, 10, 99, 100)) if self.edges else views,
                "loves": None if self.happens(0.1) else views // 4, "favorites": views // 6,
                "remixes": None if draw() < 0.5 else 1, "parent_id": parent, "root_id": root,
                "from_index": ["views"] if self.happens(0.1) else [], **self.life(shared),
            })  # fmt: skip
        if self.torn:
            # Two circles, of which no tree is made.
            for key, parent in ((1, 2), (2, 1), (3, 3)):
                projects[key - 1] |= {"parent_id": parent, "root_id": parent if key == 3 else None}
        self.tables["studios"] = [
            {"id": key, "host_id": pick(users)["id"], "created_at": None if self.happens(0.2) else (at := self.time()),
             **self.life(at if not self.torn else BEGIN)}
            for key in range(1, STUDIOS + 1)
        ]  # fmt: skip

    def _pairs(self, first: int, second: int, number: int) -> list[tuple[int, int]]:
        return sorted(
            {(1 + int(self.chance.random() ** 2 * first), 1 + self.chance.randrange(second)) for _ in range(number)}
        )

    def _links(self) -> None:
        pick = self.chance.choice
        self.tables["follows"] = [
            {"followee_id": one, "follower_id": other, **self.life(BEGIN)}
            for one, other in self._pairs(USERS, USERS - 15, 300)
            if one != other
        ]
        self.tables["follows"] += [
            {"followee_id": one["follower_id"], "follower_id": one["followee_id"], **self.life(BEGIN)}
            for one in self.tables["follows"][::7]
            if (one["follower_id"], one["followee_id"])
            not in {(two["followee_id"], two["follower_id"]) for two in self.tables["follows"]}
        ]
        self.tables["favorites"] = [
            {"project_id": one, "user_id": other, **self.life(BEGIN)} for one, other in self._pairs(PROJECTS, USERS, 90)
        ]
        self.tables["studio_projects"] = [
            {"studio_id": one, "project_id": other, "added_by_id": None if self.happens(0.3) else pick(range(1, 20)),
             **self.life(BEGIN)}
            for one, other in self._pairs(STUDIOS - 2, PROJECTS, 160)
        ]  # fmt: skip
        self.tables["studio_members"] = [
            {"studio_id": one, "user_id": other,
             "role": None if self.happens(0.2) else pick(("host", "manager", "curator", "curator")), **self.life(BEGIN)}
            for one, other in self._pairs(STUDIOS - 2, USERS // 2, 120)
        ]  # fmt: skip
        self.tables["studio_activity"] = [
            {"studio_id": pick(range(1, STUDIOS)), "id": f"event-{number}",
             "type": pick(("becomecurator", "updatestudio")),
             "actor_id": None if self.happens(0.2) else pick(range(1, USERS)),
             "created_at": None if self.happens(0.1) else (at := self.time()), **self.life(BEGIN if self.torn else at)}
            for number in range(150)
        ]  # fmt: skip

    def _comments(self) -> None:
        pick, draw = self.chance.choice, self.chance.random
        for kind, (column, places) in PLACES.items():
            rows: list[dict[str, Any]] = []
            for key in range(1, COMMENTS + 1):
                top = pick(rows) if rows and draw() < 0.45 else None
                while top and top["parent_id"]:
                    top = pick(rows)
                at = self.time()
                if top and top["created_at"]:
                    # From seconds to years; sometimes at the same second as another reply, or before the comment.
                    wait = pick((0, 60, 600, 3600, 86_400, 604_800, 604_801)) if self.edges else int(10 ** (8 * draw()))
                    at = min(END, top["created_at"] + wait * SECOND) - (
                        5 * SECOND if self.happens(0.05) else 0 * SECOND
                    )
                rows.append({
                    "id": key, column: top[column] if top else 1 + int(draw() ** 2 * len(self.tables[places])),
                    "parent_id": top["id"] if top else None,
                    "author_id": None if self.happens(0.1) else pick(range(1, 30)),
                    "created_at": None if self.happens(0.05) else at,
                    "reply_count": None if self.happens(0.3) else 0, **self.life(at),
                })  # fmt: skip
                if top:
                    top["reply_count"] = 1
                elif self.happens(0.1):
                    rows[-1]["reply_count"] = 2
            self.tables[f"{kind}_comments"] = rows

    def _frontier(self) -> None:
        self.tables["crawl.frontier"] = entries = []
        for stream, table in LISTS.items():
            for thing in self.tables[table]:
                entry: dict[str, Any] = {
                    "stream": stream, "entity_id": thing["id"], "due_at": READ + 30 * DAY, "visits": 1,
                    "visited_at": READ,
                    "certificate": {"proven_by": "key", "complete": True, "key": int(END.timestamp())},
                    "certified_from": READ, "certified_at": READ + HOUR, "last_full_read_at": READ, "item_count": 3,
                    "state": None,
                    "gone_at": None, "failures": 0,
                }  # fmt: skip
                if stream in {"user", "project", "studio"}:
                    entry |= {
                        "certificate": None,
                        "certified_from": None,
                        "certified_at": None,
                        "last_full_read_at": None,
                    }
                elif self.edges:
                    read = self.time(END - 200 * DAY, READ)
                    entry |= {"certified_from": read, "last_full_read_at": read}
                elif self.torn and (read := self.time(BEGIN + 100 * DAY, READ)):
                    entry |= {"certified_from": read, "certified_at": read + HOUR, "visited_at": read}
                    entry["last_full_read_at"] = None if self.happens(0.2) else read - self.chance.random() * 90 * DAY
                if self.happens(0.15):
                    entry |= {"visits": 0, "visited_at": None, "certificate": None, "certified_from": None}
                    entry |= {"certified_at": None, "last_full_read_at": None, "item_count": None, "failures": 2}
                elif self.happens(0.1):
                    entry |= {"gone_at": READ}
                elif entry["certificate"] and self.happens(0.2):
                    entry["certificate"] = {"proven_by": "none", "complete": False, "key": None}
                elif entry["certificate"] and self.happens(0.2):
                    entry["certificate"] |= {"capped": True}
                    entry["state"] = {"key": int(END.timestamp()) + 9}
                if not self.happens(0.1):
                    entries.append(entry)

    def _history(self) -> None:
        pick = self.chance.choice
        self.tables["history.project_stats"] = stats = []
        for project in self.tables["projects"]:
            since = project["first_seen_at"] - self.chance.randrange(1, 200) * DAY
            for number in range(pick((0, 0, 1, 3))):
                until = since + (project["first_seen_at"] + 20 * DAY - since) * self.chance.random()
                stats.append({
                    "project_id": project["id"], "valid_from": since, "last_seen_at": since, "valid_to": until,
                    "views": None if self.happens(0.1) else number * 5, "loves": number,
                    "favorites": None if self.happens(0.1) else number, "remixes": None,
                })  # fmt: skip
                since = until
        self.tables["history.rankings"] = places = []
        for ranking in RANKINGS:
            at = self.time(END, END + 5 * DAY)
            shown = list(range(1, 20))
            for _ in range(12):
                at += self.chance.randrange(1, 60) * HOUR
                # Some leave, some come back: shown is shuffled a little, and cut.
                shown = sorted(shown, key=lambda thing: thing + self.chance.randrange(12))
                for position, thing in enumerate(shown[: pick((8, 10, 12))]):
                    is_studio = "studios" in ranking or (ranking == RANKINGS[2] and thing % 2)
                    places.append({
                        "ranking": ranking, "seen_at": at, "position": position,
                        "kind": "studio" if is_studio else "project",
                        "thing_id": thing if not self.happens(0.05) else 999, "views": pick((None, 0, 5, thing * 3)),
                        "loves": pick((None, 0, thing)), "favorites": 1,
                    })  # fmt: skip
        self.tables["crawl.quarantine"] = [
            {"stream": "project_comments", "entity_id": number % 5 + 1, "item_id": number, "path": "/x", "reason": "x"}
            for number in range(9 if self.torn else 0)
        ]

    def _samples(self) -> None:
        """Write a design of each kind, not done: units with and without outcomes, replaced ones, two waves."""
        pick, draw = self.chance.choice, self.chance.random
        designs: list[dict[str, Any]] = []
        strata: list[dict[str, Any]] = []
        draws: list[dict[str, Any]] = []
        kinds = (
            ("uniform", "project"),
            ("stratified", "studio"),
            ("panel", "project"),
            ("authors", "user"),
            ("walk", "user"),
        )
        for number, (name, kind) in enumerate(kinds, 1):
            parent = 1 if kind == "user" else None
            designs.append({
                "id": number, "name": name, "kind": kind, "parameters": {"seed": number}, "parent_id": parent,
                "depth": pick((-1, 0, 1)), "drawn_at": self.time(),
                "completed_at": self.time() if number % 2 or self.happens(0.5) else None,
            })  # fmt: skip
            parts = ("old", "new", "certain") if name == "stratified" else ("all",)
            for place, part in enumerate(parts if parent is None else ()):
                edges = (None, None) if part == "certain" else (1 + 100 * place, 100 + 100 * place)
                strata.append({
                    "design_id": number, "stratum": part, "first_id": edges[0], "last_id": edges[1], "frame_size": 100,
                })  # fmt: skip
            for position in range(40):
                done = (name == "uniform" and not self.torn) or draw() < 0.8
                outcome = pick(("hit", "hit", "not found", "gone", "not public")) if done else None
                draws.append({
                    "design_id": number, "position": position, "entity_id": 1 + int(draw() * 24),
                    "stratum": None if name == "walk" else pick(parts),
                    "inclusion_probability": None if name == "walk" else draw(),
                    "outcome": "burn-in" if name == "walk" and position % 10 < 2 else outcome,
                    "cluster_id": position // 10, "weight": pick((None, draw())), "measure": pick((None, 2.0)),
                    "panel_group": position % 4 if name == "panel" else None, "drawn_at": self.time(),
                    "visited_at": self.time() if outcome else None,
                    "replaced_at": self.time() if name == "panel" and position % 4 == 0 else None,
                })  # fmt: skip
        self.tables |= {"crawl.designs": designs, "crawl.strata": strata, "crawl.draws": draws}
        # Some lists are read in the second wave, others were before it.
        waves = [READ - 200 * DAY, self.time(BEGIN + 100 * DAY, READ)]
        self.tables["crawl.waves"] = [{"design_id": 3, "wave": wave, "started_at": at} for wave, at in enumerate(waves)]
        self.tables["crawl.wave_outcomes"] = [
            {
                "design_id": 3, "wave": 0, "position": position, "visit": visit,
                "outcome": pick(("hit", "not found")) if visit == "visited" else None,
                "visited_at": self.time() if visit == "visited" else None,
            }
            for position in range(30) for visit in [pick(("visited", "visited", "failed", "waiting"))]
        ]  # fmt: skip
        threads = [
            row["id"] for row in self.tables["project_comments"] if row["parent_id"] is None and row["reply_count"]
        ]
        empty = dict.fromkeys(self.tables["crawl.frontier"][0])
        for thread in threads[::2]:
            self.tables["crawl.frontier"].append(empty | {
                "stream": "project_replies", "entity_id": thread, "due_at": READ,
                "visits": 0 if self.happens(0.3) else 1, "visited_at": READ, "failures": int(self.happens(0.4)),
            })  # fmt: skip

    def _sources(self) -> None:
        """Make sources of most projects, some with several versions, some with the body of another one."""
        pick, number = self.chance.choice, self.chance.randrange
        counts = [column.name for column in source_facts.c if isinstance(column.type, Integer)]
        scores = {dimension.value for dimension in Dimension}
        digests = [bytes([key]) * 32 for key in range(1, 40)]
        self.tables["source.bodies"] = [{"sha256": digest, "size": 9, "packed": b""} for digest in digests]
        self.tables["source.facts"] = [
            {"body_sha256": digest, "opcodes": {}, "categories": {}, "extensions": []}
            | {name: number(4 if name in scores else 50) for name in counts}
            for digest in digests[:-2]
        ]
        self.tables["source.assets"] = [
            {"body_sha256": digest, "kind": kind, "file": f"{key:032x}.svg", "count": number(1, 4)}
            for digest in digests[:-2]
            for kind in ("costume", "sound")
            for key in {number(12) for _ in range(3)}
        ]
        self.tables["source.projects"] = [
            {"project_id": one["id"], "outcome": "read", "seen_at": READ} for one in self.tables["projects"]
        ]
        self.tables["source.versions"] = versions = []
        for project in self.tables["projects"][::2]:
            for digest in self.chance.sample(digests, pick((1, 1, 2, 3))):
                first, last = sorted((self.time(), self.time()))
                versions.append({
                    "project_id": project["id"], "sha256": digest, "body_sha256": digest,
                    "format": pick(("scratch3", "scratch2")), "blocks": 1, "first_seen_at": first, "last_seen_at": last,
                })  # fmt: skip
        there = {one["project_id"]: one for one in versions}
        self.tables["source.differences"] = [
            {"project_id": one["id"], "relation": relation, "sha256": there[one["id"]]["sha256"], "other_id": other}
            | {"other_sha256": there[other]["sha256"], "rules": 1, "untouched": pick((True, False))}
            | {f"{what}_{how}": number(3) for what in ("scripts", "assets") for how in ("kept", "added", "removed")}
            for one in self.tables["projects"]
            for relation, other in (("parent", one["parent_id"]), ("root", one["root_id"]))
            if one["id"] in there and other in there
        ]

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Fill the tables of an empty warehouse."""
        for name, rows in self.tables.items():
            if not rows:
                continue
            schema, _, table = name.rpartition(".")
            statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
                sql.Identifier(schema or "scratch", table),
                sql.SQL(", ").join(map(sql.Identifier, rows[0])),
                sql.SQL(", ").join([sql.Placeholder()] * len(rows[0])),
            )
            connection.cursor().executemany(
                statement,
                [[Jsonb(value) if isinstance(value, dict) else value for value in row.values()] for row in rows],
            )
