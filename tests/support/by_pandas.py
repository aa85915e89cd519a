"""Every figure of `analytics` and every question of docs/questions.md a second time, from raw tables with pandas.

Written from what the documentation says of each figure, not from its SQL. Each property of `Raw` is named as the
relation that it computes, and has all of its columns.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import psycopg

Frame = pd.DataFrame
KINDS = {"project": ("project_id", "projects"), "studio": ("studio_id", "studios"), "profile": ("user_id", "users")}
DAY = 86_400.0
SPANS = {"a_minute": 60, "ten_minutes": 600, "an_hour": 3600, "a_day": 86_400, "a_week": 604_800}
SCORES = (
    "abstraction", "parallelism", "logic", "synchronization", "flow_control", "user_interactivity",
    "data_representation",
)  # fmt: skip
TABLES = (
    "scratch.users", "scratch.projects", "scratch.studios", "scratch.project_comments", "scratch.studio_comments",
    "scratch.profile_comments", "scratch.follows", "scratch.favorites", "scratch.studio_projects",
    "scratch.studio_members", "scratch.studio_activity", "history.project_stats", "history.absences",
    "history.rankings", "crawl.frontier", "crawl.quarantine", "crawl.designs", "crawl.strata", "crawl.draws",
    "crawl.waves", "crawl.wave_outcomes",
    "source.versions", "source.facts", "source.assets", "source.differences",
)  # fmt: skip


def frame(connection: psycopg.Connection[Any], query: str) -> Frame:
    """Read a query, times as UTC; in binary, since psycopg reads no times of foreign styles."""
    cursor = connection.execute(query, binary=True)
    names = [column.name for column in cursor.description or ()]
    times = [column.name for column in cursor.description or () if column.type_display == "timestamptz"]
    made = Frame(cursor.fetchall(), columns=names, dtype=object)
    for name in times:
        made[name] = pd.to_datetime(made[name], utc=True).astype("datetime64[us, UTC]")
    return made


def month(times: pd.Series) -> pd.Series:
    """The first day of the month of each time, in UTC."""
    return times.dt.strftime("%Y-%m-01").where(times.notna())


def day(times: pd.Series) -> pd.Series:
    return times.dt.strftime("%Y-%m-%d").where(times.notna())


def nothing(value: Any) -> Any:
    """Return None for a value that is missing."""
    return None if pd.isna(value) else value


def seconds(span: Any) -> float:
    return span.total_seconds()


def months_between(earlier: str, later: str) -> int:
    return 12 * (int(later[:4]) - int(earlier[:4])) + int(later[5:7]) - int(earlier[5:7])


def later_month(first: str, number: int) -> str:
    year, index = divmod(int(first[:4]) * 12 + int(first[5:7]) - 1 + number, 12)
    return f"{year:04}-{index + 1:02}-01"


def rows(names: str, found: Iterable[tuple[Any, ...]]) -> Frame:
    return Frame(list(found), columns=names.split(), dtype=object)


def share_over_time(waits: list[tuple[float, bool]]) -> list[tuple[float, float]]:
    """Estimate by Kaplan and Meier which share has ended by each time at which any did.

    Args:
        waits: how long each was observed, and whether it ended then.
    """
    curve, left = [], 1.0
    for time in sorted({wait for wait, ended in waits if ended}):
        at_risk = sum(wait >= time for wait, _ in waits)
        left *= 1 - sum(ended and wait == time for wait, ended in waits) / at_risk
        curve.append((time, 1 - left))
    return curve


Change = tuple[Any, int, int]
"""From when on, and by how much a lower and an upper bound change."""


def bounds(changes: dict[tuple[Any, ...], list[Change]]) -> Iterable[tuple[Any, ...]]:
    """Yield each key with each time of a change and the bounds from then on; a time that is not known comes first."""
    for key, found in changes.items():
        at_least = at_most = 0
        for at in sorted({at for at, *_ in found}, key=lambda at: (at is not None, at)):
            at_least += sum(least for then, least, _ in found if then == at)
            at_most += sum(most for then, _, most in found if then == at)
            yield *key, at, at_least, at_most


class Raw:
    """The tables as they are, read once."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        for name in TABLES:
            setattr(self, name.split(".")[1], frame(connection, f"SELECT * FROM {name}"))
        self.gone = {
            name: set(getattr(self, name).loc[getattr(self, name).gone_at.notna(), "id"])
            for name in ("users", "projects", "studios")
        }
        self.comments = pd.concat([self._comments(kind) for kind in KINDS], ignore_index=True)
        self.certified = {
            (entry.stream, entry.entity_id): entry
            for entry in self.frontier.itertuples()
            if entry.certificate and entry.certificate["complete"]
        }

    def _comments(self, kind: str) -> Frame:
        column, places = KINDS[kind]
        made = getattr(self, f"{kind}_comments").rename(columns={column: "place_id"}).assign(kind=kind)
        return made.assign(is_present=made.gone_at.isna() & ~made.place_id.isin(self.gone[places]))

    # What is there --------------------------------------------------------------------------------------------------

    def present(self, name: str, *places: tuple[str, str]) -> Frame:
        table = getattr(self, name)
        table = table[table.gone_at.isna()]
        for column, place in places:
            table = table[~table[column].isin(self.gone[place])]
        return table

    @cached_property
    def present_users(self) -> Frame:
        return self.present("users")

    @cached_property
    def present_projects(self) -> Frame:
        return self.present("projects")

    @cached_property
    def present_studios(self) -> Frame:
        return self.present("studios")

    @cached_property
    def present_comments(self) -> Frame:
        return self.comments[self.comments.is_present]

    @cached_property
    def present_follows(self) -> Frame:
        return self.present("follows")

    @cached_property
    def present_favorites(self) -> Frame:
        return self.present("favorites", ("project_id", "projects"))

    @cached_property
    def present_studio_projects(self) -> Frame:
        return self.present("studio_projects", ("project_id", "projects"), ("studio_id", "studios"))

    @cached_property
    def present_studio_members(self) -> Frame:
        return self.present("studio_members", ("studio_id", "studios"))

    # Activity, cohorts, countries -----------------------------------------------------------------------------------

    @cached_property
    def _events(self) -> Frame:
        """Everything with a time: stream, at, who, is_reply, is_present."""
        parts = []
        for stream, at, who in (("users", "joined_at", "id"), ("projects", "shared_at", "author_id"),
                                ("studios", "created_at", "host_id")):  # fmt: skip
            table = getattr(self, stream)
            parts.append(Frame({"stream": stream, "at": table[at], "who": table[who], "is_reply": False,
                                "is_present": table.gone_at.isna()}))  # fmt: skip
        for kind, table in self.comments.groupby("kind"):
            parts.append(Frame({"stream": f"{kind}_comments", "at": table.created_at, "who": table.author_id,
                                "is_reply": table.parent_id.notna(), "is_present": table.is_present}))  # fmt: skip
        table = self.studio_activity
        is_present = table.gone_at.isna() & ~table.studio_id.isin(self.gone["studios"])
        parts.append(Frame({"stream": "studio_activity", "at": table.created_at, "who": table.actor_id,
                            "is_reply": False, "is_present": is_present}))  # fmt: skip
        events = pd.concat(parts, ignore_index=True)
        return events[events["at"].notna()]

    @cached_property
    def daily_activity(self) -> Frame:
        events = self._events
        events = events.assign(day=day(events["at"]))
        return rows(
            "stream day items actors replies gone",
            (
                (stream, when, len(part), part.who.nunique(), part.is_reply.sum(), (~part.is_present).sum())
                for (stream, when), part in events.groupby(["stream", "day"])
            ),
        )

    @cached_property
    def monthly_activity(self) -> Frame:
        days = self.daily_activity
        days = days.assign(month=days.day.str[:7] + "-01")
        return rows(
            "stream month items replies gone days most_actors_in_a_day",
            (
                (*key, part["items"].sum(), part.replies.sum(), part.gone.sum(), len(part), part.actors.max())
                for key, part in days.groupby(["stream", "month"])
            ),
        )

    @cached_property
    def user_months(self) -> Frame:
        events = self._events
        events = events[events.who.notna() & (events.stream.eq("projects") | events.stream.str.endswith("_comments"))]
        events = events.assign(month=month(events["at"]))
        return rows(
            "user_id month projects comments",
            (
                (*key, part.stream.eq("projects").sum(), part.stream.ne("projects").sum())
                for key, part in events.groupby(["who", "month"])
            ),
        )

    @cached_property
    def cohorts(self) -> Frame:
        read = set(self.frontier[(self.frontier.stream == "user_projects") & (self.frontier.visits > 0)].entity_id)
        users = self.users[self.users.joined_at.notna()]
        return rows(
            "cohort users gone_users read_users",
            (
                (cohort, len(part), part.gone_at.notna().sum(), part.id.isin(read).sum())
                for cohort, part in users.groupby(month(users.joined_at))
            ),
        )

    @cached_property
    def cohort_activity(self) -> Frame:
        done = {(row.user_id, row.month): row for row in self.user_months.itertuples()}
        found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for user in self.users[self.users.joined_at.notna()].itertuples():
            entry = self.certified.get(("user_projects", user.id))
            if entry is None:
                continue
            cohort, read = f"{user.joined_at:%Y-%m-01}", f"{entry.certified_from:%Y-%m-01}"
            # The month in which the list was read was not over then.
            for number in range(months_between(cohort, read)):
                when = later_month(cohort, number)
                counts, did = found[cohort, when], done.get((user.id, when))
                counts[0] += 1
                if did is not None:
                    counts[1] += 1
                    counts[2] += did.projects > 0
                    counts[3] += did.comments > 0
        return rows("cohort month observable active sharing commenting", ((*key, *n) for key, n in found.items()))

    @cached_property
    def cohort_retention(self) -> Frame:
        cohorts = self.cohorts.set_index("cohort")
        return rows(
            "cohort month_number users read_users observable active sharing commenting share_active is_complete",
            (
                (row.cohort, months_between(row.cohort, row.month), cohorts.users[row.cohort],
                 cohorts.read_users[row.cohort], row.observable, row.active, row.sharing, row.commenting,
                 (row.active / row.observable), row.observable == cohorts.users[row.cohort])
                for row in self.cohort_activity.itertuples()
            ),
        )  # fmt: skip

    @cached_property
    def countries(self) -> Frame:
        months = self.user_months
        did = months.astype({"projects": int, "comments": int}).groupby("user_id")[["projects", "comments"]].sum()
        users = self.users.assign(country=self.users.country.fillna("unknown")).join(did, on="id")
        return rows(
            "country users share gone_users sharers commenters projects comments place",
            (
                (country, len(part), len(part) / len(users), part.gone_at.notna().sum(), (part.projects > 0).sum(),
                 (part.comments > 0).sum(), part.projects.sum(), part.comments.sum(), place)
                for place, (country, part) in enumerate(
                    sorted(users.groupby("country"), key=lambda group: (-len(group[1]), group[0])), 1
                )
            ),
        )  # fmt: skip

    # Remixes --------------------------------------------------------------------------------------------------------

    @cached_property
    def remix_edges(self) -> Frame:
        known = {row.id: row for row in self.projects.sort_values("id").itertuples()}
        edges: dict[int, tuple[int, bool]] = {}
        for project in known.values():
            if pd.notna(project.parent_id):
                if project.parent_id != project.id:
                    edges[project.id] = (project.parent_id, False)
            elif pd.notna(project.root_id) and project.root_id != project.id:
                edges[project.id] = (project.root_id, True)
        for project in known.values():  # by id: the first that states a root is believed
            parent, root = project.parent_id, project.root_id
            if pd.isna(parent) or pd.isna(root) or parent in (root, project.id) or parent in edges:
                continue
            if parent not in known or (pd.isna(known[parent].parent_id) and pd.isna(known[parent].root_id)):
                edges[parent] = (root, True)
        return rows("project_id parent_id is_assumed", ((child, *edge) for child, edge in edges.items()))

    @cached_property
    def remix_nodes(self) -> Frame:
        below = defaultdict(list)
        edges = self.remix_edges
        for edge in edges.itertuples():
            below[edge.parent_id].append(edge)
        found = []

        def descend(project: int, parent: int | None, root: int, depth: int, *, assumed: bool, known: bool) -> None:
            found.append((project, parent, root, depth, assumed, known))
            for edge in below[project]:
                descend(edge.project_id, project, root, depth + 1, assumed=edge.is_assumed,
                        known=known and not edge.is_assumed)  # fmt: skip

        for root in sorted(set(edges.parent_id) - set(edges.project_id)):
            descend(root, None, root, 0, assumed=False, known=True)
        return rows("project_id parent_id root_id depth is_assumed is_depth_known", found)

    @cached_property
    def remix_trees(self) -> Frame:
        nodes = self.remix_nodes.merge(self.projects, left_on="project_id", right_on="id", how="left")
        nodes["shared_at"] = pd.to_datetime(nodes.shared_at, utc=True)
        return rows(
            "root_id nodes depth breadth direct_remixes gone never_seen assumed first_shared_at last_shared_at",
            (
                (root, len(part), part.depth.max(), part.groupby("depth").size().max(), (part.depth == 1).sum(),
                 part.gone_at.notna().sum(), part.id.isna().sum(), part.is_assumed.sum(), part.shared_at.min(),
                 part.shared_at.max())
                for root, part in nodes.groupby("root_id_x")
            ),
        )  # fmt: skip

    # Threads --------------------------------------------------------------------------------------------------------

    @cached_property
    def threads(self) -> Frame:
        tops = {(row.kind, row.id): row for row in self.comments.itertuples()}
        found = []
        for (kind, parent), replies in self.comments[self.comments.parent_id.notna()].groupby(["kind", "parent_id"]):
            top = tops[kind, parent]
            own = replies.author_id.eq(top.author_id) & pd.notna(top.author_id)
            other = replies.author_id.notna() & ~own & pd.notna(top.author_id)
            found.append((
                kind, parent, top.place_id, top.author_id, top.created_at, not top.is_present, len(replies), own.sum(),
                (~replies.is_present).sum(), replies.author_id.nunique(), replies.created_at.min(),
                replies.created_at[other].min(), replies.created_at.max(),
            ))  # fmt: skip
        return rows(
            "kind thread_id place_id author_id started_at is_gone replies own_replies gone_replies repliers"
            " first_reply_at first_answer_at last_reply_at", found,
        )  # fmt: skip

    @cached_property
    def reply_waits(self) -> Frame:
        threads = {(row.kind, row.thread_id): row for row in self.threads.itertuples()}
        found = []
        for top in self.comments[self.comments.parent_id.isna() & self.comments.created_at.notna()].itertuples():
            thread = threads.get((top.kind, top.id))
            entry = self.certified.get((f"{top.kind}_comments", top.place_id))
            until = top.first_seen_at
            if entry is not None and pd.notna(entry.last_full_read_at):
                until = max(until, entry.last_full_read_at)
            if pd.notna(top.gone_at):
                until = min(until, top.last_seen_at) if pd.notna(top.last_seen_at) else pd.NaT
            unread = thread is None and pd.notna(top.reply_count) and top.reply_count > 0
            answered = waited = None
            if pd.notna(until) and until > top.created_at and pd.notna(top.author_id) and not unread:
                answer = thread.first_answer_at if thread is not None else pd.NaT
                answered = bool(pd.notna(answer) and answer <= until)
                waited = max((answer if answered else until) - top.created_at, pd.Timedelta(0))
            found.append((top.kind, top.id, top.place_id, top.created_at, until, unread, answered, waited))
        return rows("kind thread_id place_id started_at observed_until is_unread is_answered waited", found)

    @cached_property
    def reply_latency(self) -> Frame:
        waits = self.reply_waits
        waits = waits.assign(month=month(pd.to_datetime(waits.started_at, utc=True)))
        groups = [(*key, part) for key, part in waits.groupby(["kind", "month"])]
        groups += [(kind, None, part) for kind, part in waits.groupby("kind")] + [("any", None, waits)]
        found = []
        for kind, when, part in groups:
            known = part[part.is_answered.notna()]
            pairs = [(seconds(row.waited), row.is_answered) for row in known.itertuples()]
            curve = share_over_time(pairs)
            by_span = []
            for span in SPANS.values():
                share = max((share for time, share in curve if time <= span), default=0.0)
                is_known = share == 1 or any(time >= span for time, _ in pairs)
                by_span.append(share if is_known else None)
            week = by_span[-1]
            median, ninth = (
                min((pd.Timedelta(seconds=time) for time, share in curve if week and share >= part_of * week - 1e-9),
                    default=None)
                for part_of in (0.5, 0.9)
            )  # fmt: skip
            found.append((kind, when, len(part), part.is_unread.sum(), len(known), known.is_answered.sum(), *by_span,
                          median, ninth))  # fmt: skip
        return rows(
            "kind month comments unread observable answered " + " ".join(f"answered_in_{span}" for span in SPANS)
            + " median_wait ninth_decile_wait", found,
        )  # fmt: skip

    # The network ----------------------------------------------------------------------------------------------------

    @cached_property
    def follow_degrees(self) -> Frame:
        edges = {(row.follower_id, row.followee_id) for row in self.present_follows.itertuples()}
        counts: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
        for follower, followee in edges:
            counts[followee][0] += 1
            counts[follower][1] += 1
            counts[follower][2] += (followee, follower) in edges
        return rows("user_id followers following mutual", ((user, *n) for user, n in counts.items()))

    @cached_property
    def follow_lists(self) -> Frame:
        degrees = {row.user_id: row for row in self.follow_degrees.itertuples()}
        found = []
        for (stream, user), entry in self.certified.items():
            direction = {"user_followers": "followers", "user_following": "following"}.get(stream)
            if direction and pd.isna(entry.gone_at) and user not in self.gone["users"]:
                degree = getattr(degrees[user], direction) if user in degrees else 0
                found.append((user, direction, degree, entry.certified_from))
        return rows("user_id direction degree observed_at", found)

    @cached_property
    def follow_network(self) -> Frame:
        degrees, lists = self.follow_degrees, self.follow_lists
        known = degrees[degrees.user_id.isin(lists[lists.direction == "followers"].user_id)]
        edges = known.following.sum()
        return rows(
            "users edges observable_edges mutual_edges reciprocity followed_users following_users most_followers"
            " most_following",
            [(len(degrees), degrees.following.sum(), edges, known.mutual.sum(),
              (known.mutual.sum() / edges) if edges else None, (degrees.followers > 0).sum(),
              (degrees.following > 0).sum(), degrees.followers.max(), degrees.following.max())],
        )  # fmt: skip

    @cached_property
    def degree_distribution(self) -> Frame:
        lists = self.follow_lists
        return rows(
            "direction degree users", ((*key, len(part)) for key, part in lists.groupby(["direction", "degree"]))
        )

    # Studios --------------------------------------------------------------------------------------------------------

    @cached_property
    def studio_figures(self) -> Frame:
        comments = self.present_comments
        comments = comments[comments.kind == "studio"]
        found = []
        for studio in self.studios.id:
            added, members, said = (
                table[table[column] == studio]
                for table, column in ((self.present_studio_projects, "studio_id"),
                                      (self.present_studio_members, "studio_id"), (comments, "place_id"))
            )  # fmt: skip
            if len(added) + len(members) + len(said):
                found.append((
                    studio, len(added), added.added_by_id.nunique(), len(members), (members.role == "manager").sum(),
                    (members.role == "curator").sum(), len(said), said.author_id.nunique(), said.created_at.min(),
                    said.created_at.max(),
                ))  # fmt: skip
        return rows(
            "studio_id projects adders members managers curators comments commenters first_comment_at last_comment_at",
            found,
        )

    @cached_property
    def studio_memberships(self) -> Frame:
        return rows(
            "user_id studios hosts manages curates",
            (
                (user, len(part), *((part.role == role).sum() for role in ("host", "manager", "curator")))
                for user, part in self.present_studio_members.groupby("user_id")
            ),
        )

    # Sources --------------------------------------------------------------------------------------------------------

    @cached_property
    def project_sources(self) -> Frame:
        kept = (
            "sprites scripts blocks unreachable costumes sounds variables lists broadcasts clones custom_blocks"
            f" duplicate_scripts {' '.join(SCORES)}"
        ).split()
        facts = {one.body_sha256: one for one in self.facts.itertuples()}
        found = []
        for project, part in self.versions.groupby("project_id"):
            seen = sorted(part.itertuples(), key=lambda one: (one.last_seen_at, one.first_seen_at))
            last = [one for one in seen if one[7:9] == seen[-1][7:9]]
            now = min(last, key=lambda one: one.sha256)
            if (of := facts.get(now.body_sha256)) is not None:
                values = [getattr(of, name) for name in kept]
                total = sum(getattr(of, name) for name in SCORES)
                times = (now.first_seen_at, now.last_seen_at)
                found.append((project, now.body_sha256, now.format, len(part), *times, *values, total))
        names = f"project_id body_sha256 format versions first_seen_at last_seen_at {' '.join(kept)} score"
        return rows(names, found)

    @cached_property
    def _sources(self) -> Frame:
        """Return the sources with their projects and the month in which the author joined."""
        projects = self.projects.rename(columns={"id": "project_id"})[
            ["project_id", "author_id", "parent_id", "shared_at"]
        ]
        joined = self.users.rename(columns={"id": "author_id"})[["author_id", "joined_at"]]
        made = self.project_sources.merge(projects, on="project_id").merge(joined, on="author_id", how="left")
        return made.assign(
            cohort=month(pd.to_datetime(made.joined_at, utc=True)),
            month=month(pd.to_datetime(made.shared_at, utc=True)),
            is_remix=made.parent_id.notna(),
        )

    @cached_property
    def source_scores(self) -> Frame:
        means = ("score", *SCORES, "blocks")
        return rows(
            f"cohort month is_remix projects {' '.join(means)}",
            (
                (*(nothing(one) for one in key), len(part), *(part[name].mean() for name in means))
                for key, part in self._sources.groupby(["cohort", "month", "is_remix"], dropna=False)
            ),
        )

    @cached_property
    def remix_changes(self) -> Frame:
        shared = dict(zip(self.projects.id, month(self.projects.shared_at), strict=True))
        made = self.differences.assign(month=self.differences.project_id.map(shared))
        sums = [f"{what}_{how}" for what in ("scripts", "assets") for how in ("kept", "added", "removed")]
        return rows(
            f"relation month remixes untouched changed_scripts changed_assets {' '.join(sums)}",
            (
                (
                    *(nothing(one) for one in key), len(part), int(part.untouched.sum()),
                    int((part.scripts_added + part.scripts_removed > 0).sum()),
                    int((part.assets_added + part.assets_removed > 0).sum()),
                    *(int(part[name].sum()) for name in sums),
                )
                for key, part in made.groupby(["relation", "month"], dropna=False)
            ),
        )  # fmt: skip

    @cached_property
    def asset_reuse(self) -> Frame:
        made = self._sources.merge(self.assets, on="body_sha256")
        return rows(
            "kind file projects originals authors uses",
            (
                (*key, len(part), int((~part.is_remix).sum()), part.author_id.nunique(), int(part["count"].sum()))
                for key, part in made.groupby(["kind", "file"])
            ),
        )

    @cached_property
    def studio_overlap(self) -> Frame:
        """Of all studios, with the studio that was asked for."""
        members = self.present_studio_members.groupby("studio_id").user_id.agg(set)
        projects = self.present_studio_projects.groupby("studio_id").project_id.agg(set)
        found = []
        for one in self.studios.id:
            for other in self.studios.id:
                shared = members.get(one, set()) & members.get(other, set())
                held = projects.get(one, set()) & projects.get(other, set())
                if one != other and (shared or held):
                    either = members.get(one, set()) | members.get(other, set())
                    found.append((one, other, len(shared), len(held), (len(shared) / len(either)) if either else None))
        return rows("studio_id other_id shared_members shared_projects member_jaccard", found)

    # The life of projects -------------------------------------------------------------------------------------------

    @cached_property
    def project_life(self) -> Frame:
        visited = {
            row.entity_id: row.visited_at for row in self.frontier[self.frontier.stream == "project"].itertuples()
        }
        stats = defaultdict(list)
        for version in self.project_stats.sort_values("valid_to").itertuples():
            stats[version.project_id].append(version)
        found = []
        for project in self.projects.itertuples():
            born = project.shared_at if pd.notna(project.shared_at) else project.created_at

            def age(at: Any, born: Any = born) -> float | None:
                return seconds(at - born) / DAY if pd.notna(born) else None

            versions = [
                (one.valid_from, one.valid_to, one.views, one.loves, one.favorites, one.remixes, False, one.valid_to)
                for one in stats[project.id]
            ]
            since = versions[-1][1] if versions else project.first_seen_at
            # The last visit that found it; a project that is gone was found last at last_seen_at.
            confirmed = [
                at for at in (visited.get(project.id), project.last_seen_at) if at is not None and pd.notna(at)
            ]
            until = max(since, min(confirmed)) if confirmed else since
            versions.append(
                (since, None, project.views, project.loves, project.favorites, project.remixes, True, until)
            )
            for seen_from, seen_until, *counters, current, known in versions:
                if any(pd.notna(counter) for counter in counters):
                    found.append(
                        (project.id, seen_from, seen_until, age(seen_from), *counters, current, known, age(known))
                    )
        return rows(
            "project_id seen_from seen_until age_days views loves favorites remixes is_current known_until"
            " known_age_days",
            found,
        )

    @cached_property
    def life_curves(self) -> Frame:
        found = defaultdict(list)
        for project, versions in self.project_life.groupby("project_id"):
            for older_than in (2**n for n in range(14)):
                # The first version that is known to have held at any age within the class.
                held = [
                    one for one in versions.sort_values("seen_from").itertuples()
                    if one.age_days is not None and one.age_days < 2 * older_than
                    and (one.known_age_days >= older_than if one.is_current else one.known_age_days > older_than)
                ]  # fmt: skip
                if held:
                    found[older_than].append((project, held[0].views, held[0].loves, held[0].favorites))
        return rows(
            "older_than_days younger_than_days projects mean_views mean_loves mean_favorites share_viewed_ten_times",
            (
                (older_than, 2 * older_than, len(held),
                 *((mean) for mean in Frame(held).iloc[:, 1:].astype(float).mean()),
                 (Frame(held)[1].dropna() >= 10).mean())
                for older_than, held in found.items()
            ),
        )  # fmt: skip

    # Over time ------------------------------------------------------------------------------------------------------

    def _absences_of(self, table: str) -> dict[tuple[int, int], list[Change]]:
        """Return what each absence that ended takes off the lower bound, and gives back."""
        found = defaultdict(list)
        for one in self.absences[self.absences.kind == table].itertuples():
            missed_at = one.gone_at if pd.isna(one.last_seen_at) else one.last_seen_at
            found[one.thing_id, one.other_id] += [(missed_at, -1, 0), (one.returned_at, 1, 0)]
        return found

    @cached_property
    def followers_over_time(self) -> Frame:
        joined = dict(zip(self.users.id, self.users.joined_at, strict=True))
        absences = self._absences_of("follows")
        found = defaultdict(list)
        for one in self.follows.itertuples():
            known = [at for at in (joined[one.follower_id], joined[one.followee_id]) if pd.notna(at)]
            changes = [(min(max(known), one.first_seen_at) if known else None, 0, 1), (one.first_seen_at, 1, 0)]
            if pd.notna(one.gone_at):
                missed_at = one.first_seen_at if pd.isna(one.last_seen_at) else one.last_seen_at
                changes += [(missed_at, -1, 0), (one.gone_at, 0, -1)]
            found[(one.followee_id,)] += changes + absences[one.follower_id, one.followee_id]
        return rows("user_id at at_least at_most", bounds(found))

    @cached_property
    def comments_over_time(self) -> Frame:
        absences = {kind: self._absences_of(f"{kind}_comments") for kind in KINDS}
        found = defaultdict(list)
        for one in self.comments[self.comments.created_at.notna()].itertuples():
            changes = [(one.created_at, 1, 1)]
            if pd.notna(one.gone_at):
                known = [at for at in (one.last_seen_at, one.created_at) if pd.notna(at)]
                changes += [(max(known), -1, 0), (one.gone_at, 0, -1)]
            found[one.kind, one.place_id] += changes + absences[one.kind][one.id, 0]
        return rows("kind place_id at at_least at_most", bounds(found))

    @cached_property
    def studio_lifetimes(self) -> Frame:
        entries = {(entry.stream, entry.entity_id): entry for entry in self.frontier.itertuples()}
        events = self.studio_activity.groupby("studio_id").created_at.max().to_dict()
        found = []
        for one in self.studios.itertuples():
            visit = entries.get(("studio", one.id))
            if pd.isna(one.gone_at):
                seen = [one.first_seen_at, None if visit is None else visit.visited_at]
                known = max(at for at in seen if at is not None and pd.notna(at))
            else:
                known = one.first_seen_at if pd.isna(one.last_seen_at) else one.last_seen_at
            read = self.certified.get(("studio_activity", one.id))
            last = events.get(one.id)
            days = (
                seconds(at - one.created_at) / DAY if at is not None and pd.notna(at - one.created_at) else None
                for at in (known, one.gone_at, last)
            )
            lived, most_lived, active = days
            found.append(
                (
                    one.id,
                    one.created_at,
                    known,
                    one.gone_at,
                    lived,
                    most_lived,
                    last,
                    None if read is None else read.certified_from,
                    active,
                )
            )
        return rows(
            "studio_id created_at known_until gone_at lived_at_least_days lived_at_most_days last_event_at"
            " events_known_until active_at_least_days",
            found,
        )  # fmt: skip

    # Rankings -------------------------------------------------------------------------------------------------------

    @cached_property
    def _readings(self) -> dict[str, list[Any]]:
        return {ranking: sorted(part.seen_at.unique()) for ranking, part in self.rankings.groupby("ranking")}

    @cached_property
    def ranking_moves(self) -> Frame:
        found = []
        for (ranking, kind, thing), part in self.rankings.groupby(["ranking", "kind", "thing_id"]):
            before: tuple[Any, Any] = (None, None)
            for row in part.sort_values(["seen_at", "position"]).itertuples():
                rise = None if before[1] is None else before[1] - row.position
                found.append((ranking, row.seen_at, row.position, kind, thing, *before, rise))
                before = (row.seen_at, row.position)
        return rows("ranking seen_at position kind thing_id previous_seen_at previous_position rise", found)

    @cached_property
    def ranking_stays(self) -> Frame:
        readings = self._readings
        found = []
        for (ranking, kind, thing), part in self.rankings.groupby(["ranking", "kind", "thing_id"]):
            order = readings[ranking]
            places = sorted((order.index(row.seen_at), row.position) for row in part.itertuples())
            # Readings in a row have numbers that grow by one: their difference from a count stays.
            numbers = sorted({number for number, _ in places})
            runs = [
                [number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
            ]
            for stay, run in enumerate(runs, 1):
                held = [position for number, position in places if number in run]
                found.append((
                    ranking, kind, thing, stay, order[run[0] - 1] if run[0] else None, order[run[0]], order[run[-1]],
                    order[run[-1] + 1] if run[-1] + 1 < len(order) else None, len(run), min(held),
                    (sum(held) / len(held)),
                ))  # fmt: skip
        return rows(
            "ranking kind thing_id stay absent_before first_seen_at last_seen_at absent_after entries best_position"
            " mean_position", found,
        )  # fmt: skip

    @cached_property
    def ranking_survival(self) -> Frame:
        found = []
        for ranking, part in self.ranking_stays.groupby("ranking"):
            begun = part[part.absent_before.notna()]
            curve = share_over_time([(row.entries, pd.notna(row.absent_after)) for row in begun.itertuples()])
            median = min((length for length, share in curve if share >= 0.5 - 1e-9), default=None)
            found.append((ranking, len(part), len(begun), begun.absent_after.notna().sum(), median))
        return rows("ranking stays observable ended median_readings", found)

    @staticmethod
    def _language(ranking: str) -> str:
        return dict(pair.split("=") for pair in ranking.partition("?")[2].split("&") if pair).get("language", "any")

    @cached_property
    def ranking_readings(self) -> Frame:
        return rows(
            "ranking language readings first_read_at last_read_at places",
            (
                (
                    ranking,
                    self._language(ranking),
                    part.seen_at.nunique(),
                    part.seen_at.min(),
                    part.seen_at.max(),
                    len(part),
                )
                for ranking, part in self.rankings.groupby("ranking")
            ),
        )

    @cached_property
    def ranking_countries(self) -> Frame:
        author = {("project", row.id): row.author_id for row in self.projects.itertuples()}
        author |= {("studio", row.id): row.host_id for row in self.studios.itertuples()}
        country = dict(zip(self.users.id, self.users.country, strict=True))
        groups = defaultdict(list)
        for row in self.rankings.itertuples():
            who = author.get((row.kind, row.thing_id))
            groups[row.ranking, row.kind, country.get(who) or "unknown"].append((row, who))
        entries = {key: len({(row.thing_id, row.seen_at) for row, _ in found}) for key, found in groups.items()}
        return rows(
            "ranking language kind country things authors entries best_position place",
            (
                (ranking, self._language(ranking), kind, where, len({row.thing_id for row, _ in found}),
                 len({who for _, who in found if pd.notna(who)}),
                 entries[ranking, kind, where], min(row.position for row, _ in found),
                 1 + sum((-count, other) < (-entries[ranking, kind, where], where)
                         for (*same, other), count in entries.items() if same == [ranking, kind]))
                for (ranking, kind, where), found in groups.items()
            ),
        )  # fmt: skip

    @cached_property
    def index_lag(self) -> Frame:
        stats = defaultdict(list)
        for version in self.project_stats.itertuples():
            stats[version.project_id].append(version)
        said = self.rankings[(self.rankings.kind == "project") & self.rankings.views.notna()]
        last = {
            thing: part.sort_values(["seen_at", "ranking", "position"], ascending=[False, True, True]).iloc[0]
            for thing, part in said.groupby("thing_id")
        }
        found = []
        for project in self.projects.itertuples():
            if project.id not in last or pd.isna(project.views) or project.from_index:
                continue
            one = last[project.id]
            pairs = [(one.views, project.views), (one.loves, project.loves), (one.favorites, project.favorites)]
            behind: float | None = 0.0
            if any(a != b and not (pd.isna(a) and pd.isna(b)) for a, b in pairs):
                passed = [
                    version.valid_to for version in stats[project.id]
                    if pd.notna(version.views) and version.views <= one.views and version.valid_to <= one.seen_at
                ]  # fmt: skip
                behind = seconds(one.seen_at - max(passed)) / DAY if passed else None
            found.append((project.id, one.ranking, one.seen_at, *(value for pair in pairs for value in pair), behind))
        return rows(
            "project_id ranking seen_at index_views views index_loves loves index_favorites favorites days_behind",
            found,
        )

    # Coverage -------------------------------------------------------------------------------------------------------

    @cached_property
    def coverage(self) -> Frame:
        timed = {"project_comments", "studio_comments", "profile_comments", "studio_activity", "user_projects"}
        holes = self.quarantine[self.quarantine.item_id.notna()].groupby(["stream", "entity_id"]).size()
        found = []
        for entry in self.frontier.itertuples():
            certificate, state = entry.certificate or {}, entry.state or {}
            stood = (
                "not read yet" if entry.visits == 0 else "gone" if pd.notna(entry.gone_at)
                else "read" if not certificate else "certified" if certificate["complete"] else "unproved"
            )  # fmt: skip

            def at(holder: dict[str, Any], is_timed: bool = entry.stream in timed) -> Any:
                return pd.to_datetime(holder["key"], unit="s", utc=True) if is_timed and holder.get("key") else None

            found.append((
                entry.stream, entry.entity_id, stood, certificate.get("proven_by"), entry.certified_from,
                entry.certified_at, entry.last_full_read_at, entry.item_count, at(certificate), at(state),
                at(certificate) if "key" in state else None, certificate.get("capped", False),
                certificate.get("confirmed", False), holes.get((entry.stream, entry.entity_id), 0), entry.visited_at,
                entry.due_at,
            ))  # fmt: skip
        return rows(
            "stream entity_id state proven_by certified_from certified_at last_full_read_at item_count newest_at"
            " hole_before"
            " hole_after capped confirmed holes visited_at due_at", found,
        )  # fmt: skip

    @cached_property
    def samples(self) -> Frame:
        found = []
        for design in self.designs.itertuples():
            draws = self.draws[self.draws.design_id == design.id]
            standing = draws[draws.replaced_at.isna()]
            outcomes = standing.outcome.dropna()
            sizes = self.strata[self.strata.design_id == design.id].frame_size
            found.append((
                design.id, design.name, design.kind, design.parent_id, design.depth, design.parameters, design.drawn_at,
                sizes.sum() if len(sizes) else None, self.last_wave(design.id), len(standing), len(outcomes),
                (outcomes == "hit").sum(), (~outcomes.isin(["hit", "burn-in"])).sum(), draws.replaced_at.notna().sum(),
                bool(pd.notna(design.completed_at) and len(outcomes) == len(standing)),
            ))  # fmt: skip
        return rows(
            "design_id name kind parent_id depth parameters drawn_at frame_size wave drawn visited hits misses replaced"
            " is_complete", found,
        )  # fmt: skip

    def last_wave(self, design: int) -> int:
        return int(max(self.waves[self.waves.design_id == design].wave, default=0))

    @cached_property
    def sample_strata(self) -> Frame:
        found = []
        for part in self.strata.itertuples():
            drawn = self.draws[(self.draws.design_id == part.design_id) & (self.draws.stratum == part.stratum)]
            outcomes = drawn[drawn.replaced_at.isna()].outcome
            found.append((
                part.design_id, part.stratum, part.first_id, part.last_id, part.frame_size, len(outcomes),
                outcomes.notna().sum(), (outcomes == "hit").sum(), (outcomes.notna() & (outcomes != "hit")).sum(),
            ))  # fmt: skip
        return rows("design_id stratum first_id last_id frame_size drawn visited hits misses", found)

    @cached_property
    def sample_units(self) -> Frame:
        about = self.designs.rename(columns={"id": "design_id", "name": "design"})
        units = self.draws.merge(about[["design_id", "design", "kind", "parent_id"]], on="design_id")
        units["of"] = units.parent_id.where(units.parent_id.notna(), units.design_id)
        parts = self.sample_strata[["design_id", "stratum", "frame_size", "drawn", "hits", "misses"]]
        units = units.merge(parts.rename(columns={"design_id": "of"}), on=["of", "stratum"], how="left")
        return units.drop(columns=["parent_id", "of"])

    @cached_property
    def sample_visits(self) -> Frame:
        lists = {(entry.stream, entry.entity_id): entry for entry in self.frontier.itertuples()}
        found = []
        for unit in self.draws[self.draws.replaced_at.isna()].itertuples():
            design = self.designs[self.designs.id == unit.design_id].iloc[0]
            streams = ("user", "user_projects") if design["name"] == "authors" else (design.kind,)
            tried = [lists[one, unit.entity_id] for one in streams if (one, unit.entity_id) in lists]
            failed = any(entry.failures > 0 for entry in tried)
            visit = "visited" if unit.outcome else "failed" if failed else "waiting"
            started = self.waves[self.waves.design_id == unit.design_id].started_at.max()
            wave = self.last_wave(unit.design_id)
            comments = self._lists_of(design.kind, unit.entity_id, started if wave else None, lists)
            found.append((
                unit.design_id, wave, unit.position, unit.stratum, unit.entity_id, unit.outcome, unit.visited_at,
                unit.measure, visit, comments if unit.outcome == "hit" else None,
            ))  # fmt: skip
        earlier = self.wave_outcomes.merge(
            self.draws[["design_id", "position", "stratum", "entity_id", "measure"]], on=["design_id", "position"]
        )
        made = rows("design_id wave position stratum entity_id outcome visited_at measure visit comments", found)
        return pd.concat([made, earlier.assign(comments=None)[list(made)].astype(object)], ignore_index=True)

    def _lists_of(self, kind: str, entity: int, since: Any, lists: dict[tuple[str, int], Any]) -> str:
        """Tell whether the comments of a unit were read, since a wave began."""
        entry = lists.get((f"{kind}_comments", entity))
        if entry is None:
            return "waiting"
        tops = self.comments[(self.comments.kind == kind) & (self.comments.place_id == entity)]
        tops = tops[tops.parent_id.isna()]
        threads = [lists[f"{kind}_replies", top] for top in tops.id if (f"{kind}_replies", top) in lists]
        if entry.failures > 0 or any(thread.failures > 0 for thread in threads):
            return "failed"
        is_read = bool(entry.certificate and entry.certificate["complete"])
        is_of_wave = since is None or (pd.notna(entry.visited_at) and entry.visited_at >= since)
        return "read" if is_read and is_of_wave and all(thread.visits > 0 for thread in threads) else "waiting"

    @cached_property
    def sample_waves(self) -> Frame:
        found = []
        visits = self.sample_visits
        for (design, wave, stratum), part in visits.groupby(["design_id", "wave", "stratum"]):
            sizes = self.strata[(self.strata.design_id == design) & (self.strata.stratum == stratum)].frame_size
            if sizes.empty:
                continue
            began = self.waves[(self.waves.design_id == design) & (self.waves.wave == wave)].started_at
            drawn = self.designs[self.designs.id == design].drawn_at
            found.append((
                design, wave, (drawn if began.empty else began).iloc[0], stratum, sizes.iloc[0], len(part),
                part.outcome.notna().sum(), (part.outcome == "hit").sum(),
                (part.outcome.notna() & (part.outcome != "hit")).sum(),
            ))  # fmt: skip
        return rows("design_id wave started_at stratum frame_size drawn visited hits misses", found)

    @cached_property
    def stream_freshness(self) -> Frame:
        found = []
        for stream, part in self.frontier.groupby("stream"):
            whole = sum(bool(one and one["complete"]) for one in part.certificate)
            visited = sorted(part.visited_at.dropna())
            found.append((
                stream, len(part), (part.visits > 0).sum(), (part.visits > 0).mean(), whole, part.gone_at.notna().sum(),
                (part.failures > 0).sum(), part.visited_at.min(), visited[(len(visited) - 1) // 2] if visited else None,
                part.visited_at.max(),
            ))  # fmt: skip
        return rows(
            "stream in_scope read share_read certified gone failing oldest_read_at median_read_at newest_read_at", found
        )

    @cached_property
    def id_gaps(self) -> Frame:
        things = [
            Frame({"kind": kind, "id": table.id, "month": month(table[at])})
            for kind, table, at in (("project", self.projects, "created_at"), ("studio", self.studios, "created_at"),
                                    ("user", self.users, "joined_at"))
        ]  # fmt: skip
        for kind, part in self.comments.groupby("kind"):
            things.append(Frame({"kind": f"{kind} comment", "id": part.id, "month": month(part.created_at)}))
        return rows(
            "kind month held lowest_id highest_id ids_not_held share_held",
            (
                (*key, len(part), part.id.min(), part.id.max(), part.id.max() - part.id.min() + 1 - len(part),
                 len(part) / (part.id.max() - part.id.min() + 1))
                for key, part in pd.concat(things).groupby(["kind", "month"])
            ),
        )  # fmt: skip


def retention_panel(raw: Raw, fewest: int) -> Frame:
    """Who stays, by year of joining, as the report tells it."""
    read = set(raw.frontier[(raw.frontier.stream == "user_projects") & (raw.frontier.visits > 0)].entity_id)
    members = raw.users[raw.users.joined_at.notna() & raw.users.id.isin(read)]
    did = defaultdict(set)
    for row in raw.user_months.itertuples():
        did[row.user_id].add(row.month)
    found = []
    for cohort, part in members.groupby(members.joined_at.dt.year):
        for year in range(10):
            people = []
            for user in part.itertuples():
                joined, entry = f"{user.joined_at:%Y-%m-01}", raw.certified.get(("user_projects", user.id))
                if entry and months_between(joined, f"{entry.certified_from:%Y-%m-01}") >= 12 * (year + 1):
                    years = {months_between(joined, when) // 12 for when in did[user.id]}
                    people.append((year in years, 0 in years))
            if len(part) >= fewest and len(people) >= fewest:
                active, first = (sum(one) for one in zip(*people, strict=True))
                found.append((cohort, len(part), 0, year, len(people), active, first, 100 * active / len(people), 1))
    return rows("cohort users drawn year observable active active_first percent one_in", found)


def most(table: Frame, column: str, *then: str, number: int = 5) -> Frame:
    """The rows with most of a column, in a fixed order."""
    order = sorted(
        table.index, key=lambda index: (-table.loc[index, column], *(table.loc[index, name] for name in then))
    )
    return table.loc[order[:number]]


def called(table: Frame, key: str, things: Frame, name: str) -> Frame:
    """The rows with the name or title of the thing that a key tells, beside it."""
    names = things.set_index("id")[name]
    return table.assign(**{name: [names.get(one) for one in table[key]]})


def _growth(raw: Raw) -> Frame:
    users = raw.users[raw.users.joined_at.notna()]
    return rows("year joined", ((key, len(part)) for key, part in users.groupby(users.joined_at.dt.year)))


def _sharing(raw: Raw) -> Frame:
    shared = raw.projects[raw.projects.shared_at.notna() & raw.projects.author_id.notna()]
    users, sharers = len(raw.users), shared.author_id.nunique()
    return rows("users sharers share projects_per_sharer", [(users, sharers, sharers / users, len(shared) / sharers)])


def _staying(raw: Raw) -> Frame:
    part = raw.cohort_retention
    part = part[(part.cohort >= "2024-01-01") & (part.cohort < "2026-01-01") & (part.month_number <= 6)]
    sums = ((key, one.observable.sum(), one.active.sum()) for key, one in part.groupby("month_number"))
    return rows("month_number users active share_active", ((key, n, k, k / n) for key, n, k in sums))


def _busy_days(raw: Raw) -> Frame:
    comments = raw.comments[raw.comments.created_at.notna()]
    counts = comments.groupby(day(comments.created_at)).is_present.sum()
    return most(rows("day comments", counts.items()), "comments", "day")


def _hours(raw: Raw) -> Frame:
    comments = raw.present_comments
    hours = comments.created_at.dropna().dt.hour // 6 * 6
    return rows("from_hour comments", hours.value_counts().items())


def _talk(raw: Raw) -> Frame:
    return rows(
        "kind comments replies share_of_replies",
        (
            (kind, len(part), part.parent_id.notna().sum(), part.parent_id.notna().mean())
            for kind, part in raw.present_comments.groupby("kind")
        ),
    )


def _waits(raw: Raw) -> Frame:
    found = raw.reply_latency
    found = found[found.month.isna() & (found.kind != "any")]
    return rows(
        "kind observable answered in_a_week median_hours",
        (
            (one.kind, one.observable, one.answered, one.answered_in_a_week,
             seconds(one.median_wait) / 3600 if pd.notna(one.median_wait) else None)
            for one in found.itertuples()
        ),
    )  # fmt: skip


def _remix_share(raw: Raw) -> Frame:
    shared = raw.present_projects
    shared = shared[shared.shared_at >= pd.Timestamp("2021-01-01", tz="UTC")]
    return rows(
        "year projects remixes",
        ((key, len(part), part.parent_id.notna().sum()) for key, part in shared.groupby(shared.shared_at.dt.year)),
    )


def _loves(raw: Raw) -> Frame:
    found = []
    for name, least, greatest in (("1 to 9", 1, 9), ("10 to 99", 10, 99), ("100 and more", 100, 10**9)):
        part = raw.present_projects
        part = part[part.views.notna()]
        part = part[(part.views >= least) & (part.views <= greatest)]
        if len(part):
            found.append((name, len(part), 100 * part.loves.sum() / part.views.sum()))
    return rows("seen projects loves_per_100_views", found)


def _attention(raw: Raw) -> Frame:
    lists = raw.follow_lists
    degrees = lists[lists.direction == "followers"].degree
    classes = degrees.map(lambda degree: 1 << (degree.bit_length() - 1) if degree else 0)
    return rows("at_least users", classes.value_counts().items())


def _same_people(raw: Raw) -> Frame:
    large = set(most(raw.studio_figures, "members", "studio_id", number=25).studio_id)
    pairs = raw.studio_overlap
    pairs = pairs[pairs.studio_id.isin(large) & (pairs.shared_members > 0)]
    pairs = pairs[(pairs.studio_id < pairs.other_id) | ~pairs.other_id.isin(large)]
    found = called(most(pairs, "shared_members", "studio_id", "other_id"), "studio_id", raw.studios, "title")
    found["other_title"] = called(found, "other_id", raw.studios, "title").title
    return found[["studio_id", "title", "other_id", "other_title", "shared_members", "member_jaccard"]]


def _trending(raw: Raw) -> Frame:
    part = raw.ranking_countries
    part = part[part.ranking == "explore/projects?q=*&mode=trending&language=en"]
    found = most(part, "things", "country")
    return found.assign(best_place=found.best_position + 1)[["country", "things", "authors", "best_place"]]


def _trust(raw: Raw) -> Frame:
    streams = {
        "network": ("user_followers", "user_following"),
        "remixes": ("project", "project_remixes", "user_projects"),
        "studios": ("studio_projects", "studio_managers", "studio_curators", "studio_comments", "studio_replies",
                    "user_studios", "project_studios"),
    }  # fmt: skip
    parts = ((subject, raw.frontier[raw.frontier.stream.isin(names)]) for subject, names in streams.items())
    return rows(
        "subject in_scope read share_read",
        ((subject, len(part), (part.visits > 0).sum(), (part.visits > 0).mean()) for subject, part in parts),
    )


def _scores(raw: Raw) -> Frame:
    projects = raw.projects[raw.projects.parent_id.isna() & raw.projects.shared_at.notna()]
    joined = dict(zip(raw.users.id, raw.users.joined_at, strict=True))
    score = dict(zip(raw.project_sources.project_id, raw.project_sources.score, strict=True))
    found = []
    for year, part in projects.groupby(pd.to_datetime(projects.shared_at, utc=True).dt.year):
        known = part[part.id.isin(score)]
        ages = pd.to_datetime(known.shared_at, utc=True) - pd.to_datetime(known.author_id.map(joined), utc=True)
        new = known[ages < pd.Timedelta(days=365)]
        means = (nothing(one.id.map(score).astype(float).mean()) for one in (known, new))
        found.append((year, len(part), len(known), *means))
    return rows("year projects known score newcomers", found)


def _changes(raw: Raw) -> Frame:
    made = raw.remix_changes[raw.remix_changes.relation == "parent"]
    names = "compared changed_scripts changed_assets added removed share_kept"
    if made.empty:
        return rows(names, [(None,) * 6])
    summed = ("remixes", "changed_scripts", "changed_assets", "scripts_added", "scripts_removed", "scripts_kept")
    compared, scripts, assets, added, removed, kept = (int(made[name].sum()) for name in summed)
    return rows(names, [(compared, scripts, assets, added / compared, removed / compared, kept / (kept + removed))])


def _untouched(raw: Raw) -> Frame:
    made = raw.remix_changes[raw.remix_changes.relation == "parent"]
    remixes = int(raw.projects.parent_id.notna().sum())
    names = "remixes compared untouched share_untouched"
    if made.empty:
        return rows(names, [(remixes, None, None, None)])
    compared, same = int(made.remixes.sum()), int(made.untouched.sum())
    return rows(names, [(remixes, compared, same, same / compared)])


def _reuse(raw: Raw) -> Frame:
    found = []
    for kind, part in raw.asset_reuse.groupby("kind"):
        several = (int((part[name] > 1).sum()) for name in ("projects", "originals", "authors"))
        found.append((kind, len(part), *several, int(part.projects.max())))
    return rows("kind files in_several among_originals by_several_authors most", found)


def _growing(raw: Raw) -> Frame:
    known = raw.project_sources.set_index("project_id")
    found = []
    for depth, part in raw.remix_nodes.groupby("depth"):
        of = known[known.index.isin(part.project_id)]
        means = (nothing(of[name].astype(float).mean()) for name in ("scripts", "blocks", "score"))
        found.append((depth, len(part), len(of), *means))
    return rows("depth projects known scripts blocks score", found)


UNTIL = {
    "2018": pd.Timestamp("2018-01-01", tz="UTC"),
    "2022": pd.Timestamp("2022-01-01", tz="UTC"),
    "2026": pd.Timestamp("2026-01-01", tz="UTC"),
    "now": pd.Timestamp("2200-01-01", tz="UTC"),
}


def _bounds_until(table: Frame, *keys: str) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Return the sums of the bounds until each time, by the first of the keys where there are several."""
    found: dict[tuple[Any, ...], tuple[int, int]] = {}
    for until, at in UNTIL.items():
        earlier = table[table["at"].isna() | (pd.to_datetime(table["at"], utc=True) < at)]
        last = earlier.groupby(list(keys)).tail(1)  # in the order of `at`
        for group, part in last.groupby(keys[0]) if len(keys) > 1 else [((), last)]:
            if len(part):
                key = (until,) if len(keys) == 1 else (until, group)
                found[key] = (int(part.at_least.sum()), int(part.at_most.sum()))
    return found


def _following(raw: Raw) -> Frame:
    found = _bounds_until(raw.followers_over_time, "user_id")
    return rows("until at_least at_most", ((*key, *bounds) for key, bounds in found.items()))


def _commenting(raw: Raw) -> Frame:
    table = raw.comments_over_time
    found = _bounds_until(table[table.kind != "profile"], "kind", "place_id")
    return rows("until kind at_least at_most", ((*key, *bounds) for key, bounds in found.items()))


def _studio_lives(raw: Raw) -> Frame:
    table = raw.studio_lifetimes
    days = (0, 30, 365, 1000, 2000)
    active = {one: int((table.active_at_least_days.astype(float) >= one).sum()) for one in days}
    gone, number = int(table.gone_at.notna().sum()), len(table)
    return rows("days studios gone of_studios", ((one, count, gone, number) for one, count in active.items()))


QUESTIONS: tuple[Callable[[Raw], Frame], ...] = (
    _growth,
    lambda raw: most(raw.countries, "users", "country")[["country", "users", "sharers", "commenters"]],
    _sharing, _staying, _busy_days, _hours, _talk, _waits,
    lambda raw: most(raw.threads, "replies", "kind", "thread_id")[
        ["kind", "thread_id", "replies", "repliers", "own_replies"]
    ],
    lambda raw: called(most(raw.remix_trees, "nodes", "root_id"), "root_id", raw.projects, "title")[
        ["root_id", "title", "nodes", "depth", "breadth", "never_seen"]
    ],
    lambda raw: rows("depth projects", raw.remix_nodes.depth.value_counts().items()),
    _remix_share, _loves,
    lambda raw: raw.follow_network[["users", "edges", "observable_edges", "mutual_edges", "reciprocity"]],
    lambda raw: called(most(raw.follow_degrees, "followers", "user_id"), "user_id", raw.users, "username")[
        ["user_id", "username", "followers", "following", "mutual"]
    ],
    _attention, _same_people,
    lambda raw: called(most(raw.studio_figures, "commenters", "studio_id"), "studio_id", raw.studios, "title")[
        ["studio_id", "title", "projects", "adders", "members", "comments", "commenters"]
    ],
    _trending, _trust, _scores, _changes, _untouched, _reuse, _growing, _following, _commenting,
    _studio_lives,
)  # fmt: skip
"""The answers, in the order of the page."""
