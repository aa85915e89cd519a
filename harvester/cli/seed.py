"""Commands of `harvester seed`: what is put in scope by name, by id, by ranking or by a sample, and taken out again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.choices import RankedKind, RankingMode, SeedKind
from harvester.cli import output, sample
from harvester.cli.base import AsJson, DryRun, NamesCommand, Yes, example, group, settings
from harvester.wording import counted

if TYPE_CHECKING:
    from harvester.api.stream import Kind

_SHOWN_FROM = 50
"""Names above which their lookup shows its progress."""

app = group("Put users, projects, studios, rankings or samples in scope, list them and take them out again.")

Depth = Annotated[
    int,
    typer.Option(
        help="Number of links to follow from the seed. 0: visit the seed and its own lists; what these lists show is"
        " stored but not visited."
    ),
]
RankedKinds = Annotated[
    list[RankedKind] | None, typer.Option("--kind", help="The kind to read; both unless given.", show_default=False)
]
Mode = Annotated[RankingMode, typer.Option(help="The order of the ranking.")]
Language = Annotated[str, typer.Option(help="The language of the ranking.")]
Pages = Annotated[int, typer.Option(help="Pages of 40 to read at each visit, 250 at most.")]


@app.command("users", cls=NamesCommand, epilog=example("harvester seed users griffpatch mres --depth 1"))
def seed_users(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Usernames.")],
    by_id: Annotated[
        bool, typer.Option("--by-id", help="Take ids of users whose names the warehouse knows; sends no request.")
    ] = False,
    depth: Depth = 0,
    as_json: AsJson = False,
) -> None:
    """Put users in scope by name: their lists, their projects and the comments on these.

    Each name is looked up at the site, which costs one request.
    """
    from harvester.api.stream import Kind
    from harvester.cli.progress import Progress
    from harvester.crawl.model import no_display
    from harvester.crawl.seeding import seed_ids
    from harvester.crawl.seeding import seed_users as seed

    if by_id:
        counts = seed_ids(settings(), Kind.USER, names, depth)
    else:
        display = partial(Progress, as_json=settings().log_json) if len(names) > _SHOWN_FROM else no_display
        counts = seed(settings(), names, depth, display)
    output.emit(_facts(Kind.USER, counts, depth), _show, as_json=as_json)


@app.command("projects", epilog=example("harvester seed projects 142 864"))
def seed_projects(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Their numbers at the site.")],
    depth: Depth = 0,
    as_json: AsJson = False,
) -> None:
    """Put projects in scope by id: their comments, remixes and studios."""
    from harvester.api.stream import Kind
    from harvester.crawl.seeding import seed_ids

    facts = _facts(Kind.PROJECT, seed_ids(settings(), Kind.PROJECT, ids, depth), depth)
    output.emit(facts, _show, as_json=as_json)


@app.command("studios", epilog=example("harvester seed studios 5342 --depth 1"))
def seed_studios(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Their numbers at the site.")],
    depth: Depth = 0,
    as_json: AsJson = False,
) -> None:
    """Put studios in scope by id: their projects, members and comments."""
    from harvester.api.stream import Kind
    from harvester.crawl.seeding import seed_ids

    facts = _facts(Kind.STUDIO, seed_ids(settings(), Kind.STUDIO, ids, depth), depth)
    output.emit(facts, _show, as_json=as_json)


@app.command("explore", epilog=example("harvester seed explore --query games --mode popular --pages 10"))
def seed_explore(
    query: Annotated[str, typer.Option(help="A tag, such as games; * for all.")] = "*",
    mode: Mode = RankingMode.TRENDING,
    language: Language = "en",
    pages: Pages = 5,
    kinds: RankedKinds = None,
    depth: Depth = 0,
    as_json: AsJson = False,
) -> None:
    """Put the site's explore pages in scope: the ranked items, and the position of each."""
    _seed_rankings("explore", (query, mode, language, pages), kinds, depth, as_json=as_json)


@app.command("search", epilog=example('harvester seed search --query "pixel art" --kind projects'))
def seed_search(
    query: Annotated[str, typer.Option(help="The words to search for.")],
    mode: Mode = RankingMode.POPULAR,
    language: Language = "en",
    pages: Pages = 5,
    kinds: RankedKinds = None,
    depth: Depth = 0,
    as_json: AsJson = False,
) -> None:
    """Put a search in scope: the projects or studios found, and the position of each."""
    _seed_rankings("search", (query, mode, language, pages), kinds, depth, as_json=as_json)


@app.command("front-page", epilog=example("harvester seed front-page"))
def seed_front_page(depth: Depth = 0, as_json: AsJson = False) -> None:
    """Put the site's front page in scope: the items of each row, and the position of each."""
    _seed_rankings("front-page", ("", RankingMode.POPULAR, "en", 1), None, depth, as_json=as_json)


app.add_typer(sample.app, name="sample")


@app.command("list", epilog=example("harvester seed list"))
def list_seeds(as_json: AsJson = False) -> None:
    """List what is in scope: seeds, rankings and samples, with depth, since when, and the command that put it there."""
    from harvester.sampling.scope import list_scope

    output.emit(list_scope(settings()), _show_scope, as_json=as_json)


@app.command("remove", cls=NamesCommand, epilog=example("harvester seed remove users griffpatch --dry-run"))
def remove_seeds(
    kind: Annotated[SeedKind, typer.Argument(help="The kind of what is removed.")],
    what: Annotated[
        list[str], typer.Argument(metavar="WHAT...", help="Usernames; for other kinds the ids that `seed list` shows.")
    ],
    by_id: Annotated[bool, typer.Option("--by-id", help="Of users: take ids, not names.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take seeds or rankings out of scope: end the visits that nothing else needs, and keep all stored rows.

    What another seed, ranking or sample leads to stays in scope, to the depth that this one asks for. An entry that
    ends loses its checkpoint: seeded again, its list is read in full. Refused while a crawl is at work.
    """
    from harvester.sampling.scope import remove_seeds as remove

    sample.end_visits(
        lambda *, dry_run: remove(settings(), kind, what, by_id=by_id, dry_run=dry_run),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )


def _show_scope(scope: list[dict[str, Any]]) -> None:
    if not scope:
        typer.echo("nothing is in scope yet: see `harvester seed --help`")
        return
    table = output.table("kind", "id", "what", "depth", "since", "by", numbers=("id", "depth", "since"))
    for one in output.shown(scope):
        depth = "alone" if one["depth"] < 0 else f"{one['depth']}"
        table.add_row(one["kind"], f"{one['id']}", one["name"] or "", depth, f"{one['since']:%Y-%m-%d}", one["by"])
    output.console().print(table)


def _seed_rankings(
    source: str,
    query: tuple[str, RankingMode, str, int],
    kinds: list[RankedKind] | None,
    depth: int,
    *,
    as_json: bool,
) -> None:
    from harvester.api.rows import Query
    from harvester.crawl.seeding import seed_rankings

    chosen = list(dict.fromkeys(kinds or RankedKind))
    streams, new, known = seed_rankings(settings(), source, chosen, Query(*query), depth)
    facts = {"streams": streams, "new": new, "known": known, "depth": depth}
    output.emit(facts, _show_rankings, as_json=as_json)


def _show_rankings(facts: dict[str, Any]) -> None:
    typer.echo(
        f"{', '.join(facts['streams'])}: {facts['new']} added to the scope at depth {facts['depth']},"
        f" {facts['known']} in it before. Run `harvester crawl` to read them."
    )


def _facts(kind: Kind, counts: tuple[int, int], depth: int) -> dict[str, Any]:
    new, known = counts
    return {"kind": kind.value, "new": new, "known": known, "depth": depth}


def _show(facts: dict[str, Any]) -> None:
    known = f" ({facts['known']:,} in it before)" if facts["known"] else ""
    typer.echo(
        f"{counted(facts['new'], facts['kind'])} added to the scope at depth"
        f" {facts['depth']}{known}. Run `harvester crawl` to visit them."
    )
