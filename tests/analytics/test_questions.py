"""docs/questions.md: each answer is what the page prints, and what plain Python makes of the sandbox's own truth."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forked
import psycopg

from benchmarks import lake_questions
from harvester.config import load
from harvester.report import page
from harvester.report.answers import FEWEST
from harvester.report.panels import SOURCES
from harvester.sandbox.community import Community
from harvester.source.decode import decode
from harvester.source.facts import facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harvester.sandbox.sources import Pieces

PAGE = Path(__file__).parents[2] / "docs" / "questions.md"
QUESTION = re.compile(r"^## (\d+)\. [^\n]*\n.*?```sql\n(.*?)```\n\n((?:\|[^\n]*\n)+)", re.MULTILINE | re.DOTALL)
KINDS = ("profile", "project", "studio")
Rows = list[tuple[Any, ...]]


def in_a_cell(text: str) -> str:
    """A text as a cell of Markdown shows it: lines of the table stay apart, and no text turns the others round."""
    turned = re.sub("[\u202a-\u202e\u2066-\u2069]", lambda found: f"U+{ord(found[0]):04X} ", text)
    return turned.replace("|", "\\|")


def as_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as the page prints them."""
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join("" if value is None else in_a_cell(str(value)) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def rounded(value: Fraction | float, places: int) -> Decimal:
    exact = Fraction(value)
    return (Decimal(exact.numerator) / exact.denominator).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def most(rows: Rows, by: int, *then: int) -> Rows:
    """The five with most of a column."""
    return sorted(rows, key=lambda row: (-row[by], *(row[place] for place in then)))[:5]


class Truth:
    """The rows that the sandbox states as its truth."""

    def __init__(self, table: Callable[[str], list[dict[str, Any]]]) -> None:
        self.users, self.projects, self.studios = table("users"), table("projects"), table("studios")
        self.comments = [{"kind": kind, **row} for kind in KINDS for row in table(f"{kind}_comments")]
        self.follows = {(row["follower_id"], row["followee_id"]) for row in table("follows")}
        self.studio_projects, self.studio_members = table("studio_projects"), table("studio_members")
        self.rankings = table("rankings")
        self.studio_activity = table("studio_activity")
        for rows in (self.users, self.projects, self.studios, self.comments):
            for row in rows:
                row |= {name: datetime.fromisoformat(row[name]) for name in row if name.endswith("_at") and row[name]}

        # Of Scratch 1 nothing is counted.
        self.sources = {row["project_id"]: row for row in table("sources") if row["outcome"] == "read"}
        self.known = {project for project, row in self.sources.items() if row["format"] != "scratch1"}
        self.source_differences = table("source_differences")
        self.community = Community(80, seed=1)
        self.names = {user["id"]: user["username"] for user in self.users}
        self.titles = {one["id"]: one["title"] for one in (*self.projects, *self.studios)}

    def user_country(self) -> dict[int, str]:
        return {user["id"]: user["country"] for user in self.users}

    def threads(self) -> dict[tuple[str, int], tuple[dict[str, Any] | None, list[dict[str, Any]]]]:
        tops = {(one["kind"], one["id"]): one for one in self.comments}
        replies = defaultdict(list)
        for one in self.comments:
            if one["parent_id"] is not None:
                replies[one["kind"], one["parent_id"]].append(one)
        return {key: (tops.get(key), found) for key, found in replies.items()}

    def pieces(self, project: int) -> Pieces:
        return self.community.sources.pieces(self.community.projects.by_id[project])

    def assets(self, project: int) -> Counter[tuple[str, int]]:
        """The costumes and sounds of a project, by what the sandbox makes them of."""
        pieces = self.pieces(project)
        costumes = (("costume", number) for sprite in pieces.sprites for number in sprite.costumes)
        return Counter([*costumes, *(("sound", 0) for _ in pieces.sprites)])

    def trees(self) -> dict[int, dict[int, int]]:
        """Depths of the projects of each tree, by its root. The community never loses a parent without its remix."""
        parent = {one["id"]: one["parent_id"] for one in self.projects}
        for one in self.projects:
            # Nothing else is known of a project that is not shared.
            if one["parent_id"] is not None and one["parent_id"] not in parent:
                parent[one["parent_id"]] = one["root_id"] if one["root_id"] != one["parent_id"] else None
        trees: dict[int, dict[int, int]] = defaultdict(dict)
        for project in parent:
            path = [project]
            while (up := parent.get(path[-1])) is not None:
                path.append(up)
            trees[path[-1]][project] = len(path) - 1
            trees[path[-1]][path[-1]] = 0
        return {root: nodes for root, nodes in trees.items() if len(nodes) > 1}


def months_between(earlier: datetime, later: datetime) -> int:
    return 12 * (later.year - earlier.year) + later.month - earlier.month


def growth(truth: Truth) -> Rows:
    return sorted(Counter(user["joined_at"].year for user in truth.users).items())


def countries(truth: Truth) -> Rows:
    sharers = {project["author_id"] for project in truth.projects}
    commenters = {comment["author_id"] for comment in truth.comments}
    rows = []
    for country, users in Counter(truth.user_country().values()).items():
        people = {user for user, where in truth.user_country().items() if where == country}
        rows.append((country, users, len(people & sharers), len(people & commenters)))
    return most(rows, 1, 0)


def sharing(truth: Truth) -> Rows:
    sharers = {project["author_id"] for project in truth.projects}
    people = len(truth.users)
    return [
        (people, len(sharers), rounded(Fraction(len(sharers), people), 3),
         rounded(Fraction(len(truth.projects), len(sharers)), 2))
    ]  # fmt: skip


def staying(truth: Truth) -> Rows:
    joined = {user["id"]: user["joined_at"] for user in truth.users if user["joined_at"].year in (2024, 2025)}
    events = [(one["author_id"], one["shared_at"]) for one in truth.projects]
    events += [(one["author_id"], one["created_at"]) for one in truth.comments]
    now = datetime.now(UTC)  # all lists were read just now
    active = {(user, months_between(joined[user], at)) for user, at in events if user in joined}
    rows = []
    for number in range(7):
        whole = {user for user, at in joined.items() if months_between(at, now) > number}
        stayed = sum((user, number) in active for user in whole)
        rows.append((number, len(whole), stayed, rounded(Fraction(stayed, len(whole)), 3)))
    return rows


def busy_days(truth: Truth) -> Rows:
    days = Counter(comment["created_at"].date() for comment in truth.comments)
    return most(list(days.items()), 1, 0)


def hours(truth: Truth) -> Rows:
    return sorted(Counter(comment["created_at"].hour // 6 * 6 for comment in truth.comments).items())


def talk(truth: Truth) -> Rows:
    rows = []
    for kind in KINDS:
        replies = [comment["parent_id"] is not None for comment in truth.comments if comment["kind"] == kind]
        rows.append((kind, len(replies), sum(replies), rounded(Fraction(sum(replies), len(replies)), 3)))
    return rows


def waits(truth: Truth) -> Rows:
    """Every comment was observed for more than a week, so shares are plain ones."""
    threads = truth.threads()
    rows = []
    for kind in KINDS:
        found = []
        tops = [one for one in truth.comments if one["kind"] == kind and one["parent_id"] is None]
        for top in tops:
            _, replies = threads.get((kind, top["id"]), (top, []))
            if answers := [one["created_at"] for one in replies if one["author_id"] != top["author_id"]]:
                found.append(int((min(answers) - top["created_at"]).total_seconds()))
        soon = sorted(wait for wait in found if wait <= 7 * 86400)
        rows.append(
            (kind, len(tops), len(found), rounded(Fraction(len(soon), len(tops)), 3),
             rounded(Fraction(soon[(len(soon) - 1) // 2], 3600), 1))
        )  # fmt: skip
    return rows


def conversations(truth: Truth) -> Rows:
    rows = [
        (kind, thread, len(replies), len({one["author_id"] for one in replies}),
         sum(top is not None and one["author_id"] == top["author_id"] for one in replies))
        for (kind, thread), (top, replies) in truth.threads().items()
    ]  # fmt: skip
    return most(rows, 2, 0, 1)


def wide_trees(truth: Truth) -> Rows:
    shared = {project["id"] for project in truth.projects}
    rows = [
        (
            root,
            truth.titles.get(root),
            len(nodes),
            max(nodes.values()),
            max(Counter(nodes.values()).values()),
            len(nodes.keys() - shared),
        )
        for root, nodes in truth.trees().items()
    ]
    return most(rows, 2, 0)


def deep_trees(truth: Truth) -> Rows:
    return sorted(Counter(depth for nodes in truth.trees().values() for depth in nodes.values()).items())


def remix_share(truth: Truth) -> Rows:
    years: dict[int, list[bool]] = defaultdict(list)
    for project in truth.projects:
        years[project["shared_at"].year].append(project["parent_id"] is not None)
    return [(year, len(found), sum(found)) for year, found in sorted(years.items()) if year >= 2021]


def loves(truth: Truth) -> Rows:
    classes = {"1 to 9": (1, 9), "10 to 99": (10, 99), "100 and more": (100, 10**9)}
    rows = []
    for name, (least, greatest) in classes.items():
        seen = [project for project in truth.projects if least <= project["views"] <= greatest]
        if seen:
            views, loved = sum(one["views"] for one in seen), sum(one["loves"] for one in seen)
            rows.append((name, len(seen), rounded(Fraction(100 * loved, views), 1)))
    return rows


def mutual(truth: Truth) -> Rows:
    people = {user for edge in truth.follows for user in edge}
    both = sum((followee, follower) in truth.follows for follower, followee in truth.follows)
    edges = len(truth.follows)
    return [(len(people), edges, edges, both, rounded(Fraction(both, edges), 4))]


def followed(truth: Truth) -> Rows:
    people = {user for edge in truth.follows for user in edge}
    rows = [
        (
            user,
            truth.names.get(user),
            sum(followee == user for _, followee in truth.follows),
            sum(follower == user for follower, _ in truth.follows),
            sum(follower == user and (followee, user) in truth.follows for follower, followee in truth.follows),
        )
        for user in people
    ]
    return most(rows, 2, 0)


def attention(truth: Truth) -> Rows:
    followers = Counter(followee for _, followee in truth.follows)
    degrees = (followers[user["id"]] for user in truth.users)
    return sorted(Counter(1 << (degree.bit_length() - 1) if degree else 0 for degree in degrees).items())


def same_people(truth: Truth) -> Rows:
    members: dict[int, set[int]] = defaultdict(set)
    for row in truth.studio_members:
        members[row["studio_id"]].add(row["user_id"])
    large = sorted(members, key=lambda studio: (-len(members[studio]), studio))[:25]
    rows = []
    for pair in combinations(sorted(members), 2):
        common, either = (getattr(members[pair[0]], how)(members[pair[1]]) for how in ("intersection", "union"))
        if common and set(pair) & set(large):
            one, other = pair if pair[0] in large else reversed(pair)
            titles = (truth.titles.get(one), truth.titles.get(other))
            share = rounded(Fraction(len(common), len(either)), 4)
            rows.append((one, titles[0], other, titles[1], len(common), share))
    return most(rows, 4, 0, 2)


def alive(truth: Truth) -> Rows:
    rows = []
    for studio in truth.studios:
        key = studio["id"]
        added = [row["added_by_id"] for row in truth.studio_projects if row["studio_id"] == key]
        said = [row["author_id"] for row in truth.comments if row.get("studio_id") == key]
        members = sum(row["studio_id"] == key for row in truth.studio_members)
        figures = (len(added), len(set(added)), members, len(said), len(set(said)))
        rows.append((key, studio["title"], *figures))
    return most(rows, 6, 0)


def trending(truth: Truth) -> Rows:
    author = {project["id"]: project["author_id"] for project in truth.projects}
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in truth.rankings:
        if row["ranking"] == "explore/projects?q=*&mode=trending&language=en":
            who = author[row["thing_id"]]
            places[truth.user_country()[who]].append((row["position"], who))
    rows = [
        (country, len(found), len({who for _, who in found}), min(found)[0] + 1) for country, found in places.items()
    ]
    return most(rows, 1, 0)


def score_of(truth: Truth, project: int) -> int:
    """The sum of the seven scores of the source that the sandbox serves."""
    sources = truth.community.sources
    body = sources.body(truth.community.projects.by_id[project])
    assert sha256(body).hexdigest() == truth.sources[project]["sha256"]
    found = facts(decode(body))
    assert found is not None
    return sum(found.scores.values())


def scores(truth: Truth) -> Rows:
    by_year = defaultdict(list)
    for one in truth.projects:
        if one["parent_id"] is None:
            by_year[one["shared_at"].year].append(one)
    joined = {user["id"]: user["joined_at"] for user in truth.users}
    found: Rows = []
    for year, projects in sorted(by_year.items()):
        known = {one["id"]: score_of(truth, one["id"]) for one in projects if one["id"] in truth.known}
        new = [
            known[one["id"]]
            for one in projects
            if one["id"] in known and one["shared_at"] - joined[one["author_id"]] < timedelta(days=365)
        ]
        found.append((year, len(projects), len(known), mean(known.values(), 2), mean(new, 2)))
    return found


def mean(values: Iterable[int], places: int) -> Decimal | None:
    values = list(values)
    return rounded(Fraction(sum(values), len(values)), places) if values else None


def pairs(truth: Truth) -> list[dict[str, Any]]:
    """Remixes that can be compared with their parents, with what the sandbox states of their scripts."""
    stated = [row for row in truth.source_differences if {row["project_id"], row["parent_id"]} <= truth.known]
    return [row | {"assets": truth.assets(row["project_id"]) != truth.assets(row["parent_id"])} for row in stated]


def changes(truth: Truth) -> Rows:
    compared = pairs(truth)
    kept, added, removed = (sum(row[how] for row in compared) for how in ("kept", "added", "removed"))
    return [
        (
            len(compared),
            sum(row["added"] + row["removed"] > 0 for row in compared),
            sum(row["assets"] for row in compared),
            rounded(Fraction(added, len(compared)), 2),
            rounded(Fraction(removed, len(compared)), 2),
            rounded(Fraction(kept, kept + removed), 3),
        )
    ]


def untouched(truth: Truth) -> Rows:
    compared = pairs(truth)
    # By whichever version of Scratch it was saved.
    same = sum(truth.pieces(row["project_id"]).sprites == truth.pieces(row["parent_id"]).sprites for row in compared)
    remixes = sum(one["parent_id"] is not None for one in truth.projects)
    return [(remixes, len(compared), same, rounded(Fraction(same, len(compared)), 3))]


def reuse(truth: Truth) -> Rows:
    own = {one["id"]: one for one in truth.projects}
    users = defaultdict(set)
    for project in truth.known:
        for asset in truth.assets(project):
            users[asset].add(project)
    found: Rows = []
    for kind in ("costume", "sound"):
        files = [projects for (of, _), projects in users.items() if of == kind]
        originals = [sum(own[one]["parent_id"] is None for one in projects) for projects in files]
        authors = [len({own[one]["author_id"] for one in projects}) for projects in files]
        several = (sum(number > 1 for number in numbers) for numbers in (map(len, files), originals, authors))
        found.append((kind, len(files), *several, max(map(len, files))))
    return found


def growing(truth: Truth) -> Rows:
    by_depth = defaultdict(list)
    for tree in truth.trees().values():
        for project, depth in tree.items():
            by_depth[depth].append(project)
    found: Rows = []
    for depth, projects in sorted(by_depth.items()):
        known = [one for one in projects if one in truth.known]
        stated = [truth.sources[one] for one in known]
        scripts, blocks = ([row[name] for row in stated] for name in ("scripts", "blocks"))
        score = mean((score_of(truth, one) for one in known), 2)
        found.append((depth, len(projects), len(known), mean(scripts, 1), mean(blocks, 1), score))
    return found


def trust(truth: Truth) -> Rows:
    """All is in scope: each user has two lists of followers, each project a page, and so on; all was read."""
    users, projects, studios = len(truth.users), len(truth.projects), len(truth.studios)
    threads = {key for key in truth.threads() if key[0] == "studio"}
    scope = {"network": 2 * users, "remixes": users + 2 * projects}
    # Projects, managers, curators and comments; the studios of users and of projects; threads one by one.
    scope["studios"] = 4 * studios + users + projects + len(threads)
    return [(subject, lists, lists, rounded(1, 6)) for subject, lists in sorted(scope.items())]


UNTIL = {year: datetime(int(year), 1, 1, tzinfo=UTC) for year in ("2018", "2022", "2026")} | {
    "now": datetime(2200, 1, 1, tzinfo=UTC)
}


def following(truth: Truth) -> Rows:
    """What was read once has no lower bound before; an upper one are the edges between accounts of the time."""
    joined = {user["id"]: user["joined_at"] for user in truth.users}
    begun = [max((joined[one] for one in edge if one in joined), default=None) for edge in truth.follows]
    rows: Rows = []
    for until, at in UNTIL.items():
        at_most = sum(one is None or one < at for one in begun)
        rows.append((until, at_most if until == "now" else 0, at_most))
    return rows


def commenting(truth: Truth) -> Rows:
    rows: Rows = []
    for until, at in UNTIL.items():
        for kind in ("project", "studio"):
            written = sum(one["kind"] == kind and one["created_at"] < at for one in truth.comments)
            rows += [(until, kind, written, written)] if written else []
    return rows


def studio_lives(truth: Truth) -> Rows:
    created = {studio["id"]: studio["created_at"] for studio in truth.studios}
    last: dict[int, datetime] = {}
    for event in truth.studio_activity:
        at = datetime.fromisoformat(event["created_at"])
        last[event["studio_id"]] = max(at, last.get(event["studio_id"], at))
    rows: Rows = []
    for days in (0, 30, 365, 1000, 2000):
        active = [one for one, at in last.items() if one in created and at - created[one] >= timedelta(days=days)]
        rows.append((days, len(active), 0, len(created)))
    return rows


ANSWERS: tuple[Callable[[Truth], Rows], ...] = (
    growth, countries, sharing, staying, busy_days, hours, talk, waits, conversations, wide_trees, deep_trees,
    remix_share, loves, mutual, followed, attention, same_people, alive, trending, trust, scores, changes, untouched,
    reuse, growing, following, commenting, studio_lives,
)  # fmt: skip


def follow_along(sandbox: Any, harvester: Any) -> None:
    """The commands of the page, with a sandbox and a database of the test's own."""
    block = re.search(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    home, first, *commands, last = block[1].strip().split("\n")
    assert home == "export HARVESTER_HOME=$PWD/sandbox"
    assert first == "harvester sandbox --port 8602 --users 80 --seed 1 &"
    assert last == "harvester db psql"
    script = "\n".join(["set -e", *commands]).replace("http://127.0.0.1:8602", sandbox.url)
    environment = harvester.env() | {"PATH": f"{forked.program().parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_answers_match_sql_and_the_truth(start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]) -> None:
    sandbox = start_sandbox(users=80, seed=1)
    harvester = make_harvester(sandbox)
    follow_along(sandbox, harvester)
    truth = Truth(sandbox.truth)
    questions = {int(number): (query, table) for number, query, table in QUESTION.findall(PAGE.read_text())}
    assert list(questions) == list(range(1, len(ANSWERS) + 1))
    with psycopg.connect(harvester.database, autocommit=True, options="-c timezone=UTC") as connection:
        connection.execute("SET ROLE harvester_reader")
        for number, (query, table) in questions.items():
            cursor = connection.execute(query)
            columns = [column.name for column in cursor.description or ()]
            answered = as_table(columns, cursor.fetchall())
            assert answered == table, f"question {number} is answered otherwise than the page prints"
            computed = as_table(columns, ANSWERS[number - 1](truth))
            assert answered == computed, f"question {number}, from the truth"
        connection.execute("RESET ROLE")
        for number, rows in lake_questions.by_postgres(connection).items():  # as asked of a lake
            again = connection.execute(questions[number][0]).fetchall()
            assert rows == lake_questions.plain(again), f"question {number} of docs/lake.md"
    assert_report(harvester, truth)


def assert_report(harvester: Any, truth: Truth) -> None:
    """The panels on sources show what the truth is, of years with enough authors."""
    report = page.read(load(database_url=harvester.database))
    shown = page.facts(report)["answers"]
    ((compared, scripts, assets, *_),), ((*_, same, _),) = changes(truth), untouched(truth)
    (row,) = shown["changes"]["rows"]
    assert (row["remixes"], row["untouched"], row["changed_scripts"], row["changed_assets"]) == (
        compared, same, scripts, assets,
    )  # fmt: skip
    years = defaultdict(list)
    for one in truth.projects:
        if one["id"] in truth.known:
            years[one["shared_at"].year, one["parent_id"] is not None].append(one)
    expected = [
        {
            "year": year,
            "is_remix": is_remix,
            "projects": len(made),
            "score": float(mean((score_of(truth, one["id"]) for one in made), 2) or 0),
        }
        for (year, is_remix), made in sorted(years.items())
        if len({one["author_id"] for one in made}) >= FEWEST
    ]
    assert shown["scores"]["rows"] == expected
    assert len(expected) > 1
    html = page.render(report)
    assert all(f'id="{panel.name}"' in html for panel in SOURCES)
