"""`harvester seed sample` and `harvester seed wave`: samples whose units have known probabilities."""

import json
import secrets
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harvester.cli.base import settings
from harvester.errors import UsageError

AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the two commands to a group."""
    app.command("sample")(sample)
    app.command("wave")(wave)


def sample(
    projects: Annotated[int | None, typer.Option(metavar="N", help="Draw N project ids.")] = None,
    studios: Annotated[int | None, typer.Option(metavar="N", help="Draw N studio ids.")] = None,
    panel: Annotated[
        int | None, typer.Option(metavar="N", help="Draw N project ids to be kept, or replaced part by part.")
    ] = None,
    authors_of: Annotated[
        int | None,
        typer.Option(metavar="DESIGN", help="The authors of a design's hits; with --walk, where walks start."),
    ] = None,
    walk: Annotated[
        int | None, typer.Option(metavar="STEPS", help="Walk along follows from --authors-of, so many steps a walk.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed draws the same ids; one is made up unless given.", min=0)
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(min=0, help="Visit a hit's lists too, and so many hops on; unless given, the hit alone."),
    ] = None,
    clusters: Annotated[
        bool, typer.Option("--clusters", help="Visit the lists of each hit: all comments of sampled projects.")
    ] = False,
    first: Annotated[int, typer.Option("--from", min=1, metavar="ID", help="The first id of the frame.")] = 1,
    up_to: Annotated[
        int | None, typer.Option(min=1, metavar="ID", help="The last one; the newest known id unless given.")
    ] = None,
    strata: Annotated[
        str | None,
        typer.Option(metavar="K|by-year|ID,ID,...", help="Draw from each of K parts, of years, or from these ids on."),
    ] = None,
    allocation: Annotated[
        str, typer.Option(help="How draws are shared among strata: proportional, equal or neyman.")
    ] = "proportional",
    pilot: Annotated[
        int | None, typer.Option(metavar="DESIGN", help="For neyman: an earlier draw, whose hit rates are used.")
    ] = None,
    certain: Annotated[
        int, typer.Option(min=0, metavar="K", help="Take the K with the most comments known for sure.")
    ] = 0,
    rotate: Annotated[
        str | None, typer.Option(metavar="1/P", help="For --panel: the part that each `seed wave` replaces.")
    ] = None,
    walks: Annotated[int, typer.Option(help="For --walk: how many walks.")] = 10,
    burn_in: Annotated[int, typer.Option(help="For --walk: first steps that do not count.")] = 20,
    restart: Annotated[
        float, typer.Option(help="For --walk: how readily it jumps to another author, per project of where it is.")
    ] = 0.0,
    listing: Annotated[bool, typer.Option("--list", help="Tell how far each design is, and draw nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a sample with known probabilities, and put it in scope. The draw itself sends no request.

    Most ids are of nothing that anybody can see: such a miss is one request, and is kept.

    Example: `harvester seed sample --projects 5000 --up-to 1330000000 --seed 7`
    """
    from harvester.sampling import samples

    if listing:
        _show(samples.list_designs(settings()), as_json=as_json)
        return
    ways = {"--projects": projects, "--studios": studios, "--panel": panel}
    given = [name for name, value in ways.items() if value is not None]
    if walk is not None:
        given.append("--walk")
    elif authors_of is not None:
        given.append("--authors-of")
    if len(given) != 1:
        raise UsageError("seed sample: one of --projects, --studios, --panel, --authors-of and --walk, or --list")
    if seed is None:
        seed = secrets.randbelow(2**31)
    deep = samples.ALONE if depth is None else depth
    if clusters:
        deep = max(deep, 0)
    plan: samples.IdPlan | samples.WalkPlan | int
    if walk is not None:
        if authors_of is None:
            raise UsageError("--walk: --authors-of DESIGN says where walks start")
        plan = samples.WalkPlan(
            parent=authors_of, steps=walk, walks=walks, burn_in=burn_in, restart=restart, seed=seed, depth=deep
        )
    elif authors_of is not None:
        plan = authors_of
    else:
        if rotate is not None and panel is None:
            raise UsageError("--rotate: only a --panel rotates")
        count = next(value for value in ways.values() if value is not None)
        plan = samples.IdPlan(
            count=count,
            kind="studio" if studios is not None else "project",
            seed=seed,
            depth=deep,
            first=first,
            up_to=up_to,
            strata=strata,
            allocation=allocation,
            pilot=pilot,
            certain=certain,
            panel=panel is not None,
            groups=_groups(rotate),
        )
    _drawn(samples.sample(settings(), plan, deep), as_json=as_json)


def wave(
    design: Annotated[int, typer.Argument(metavar="DESIGN", help="A design that was drawn with --panel.")],
    as_json: AsJson = False,
) -> None:
    """Begin the next wave of a panel: visit its units again, the next part of a rotating one replaced.

    The outcomes of the wave that ends stay recorded.

    Example: `harvester seed wave 3`
    """
    from harvester.sampling.samples import next_wave

    _drawn(next_wave(settings(), design), as_json=as_json)


def _groups(rotate: str | None) -> int:
    """Return the number of parts that `1/12` means; 0 for a panel without rotation."""
    if rotate is None:
        return 0
    one, slash, parts = rotate.partition("/")
    if one != "1" or not slash or not (parts.isascii() and parts.isdigit()) or not 2 <= int(parts) <= 1000:
        raise UsageError(f"--rotate {rotate!r}: a part such as 1/12")
    return int(parts)


def _drawn(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(facts, default=str))
        return
    frame = f" of {facts['frame_size']:,}" if facts["frame_size"] else ""
    seed = facts["parameters"].get("seed")
    drawn = f"{facts['drawn']:,} {facts['kind']}s{frame} drawn" if facts["drawn"] else "begun"
    typer.echo(
        f"design {facts['design_id']} ({facts['name']}{'' if seed is None else f', seed {seed}'}): {drawn};"
        " `harvester crawl` visits them, `harvester seed sample --list` tells how far it is"
    )


def _show(designs: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(designs, default=str))
        return
    if not designs:
        typer.echo("no sample was drawn yet: `harvester seed sample --help`")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = ("frame_size", "wave", "drawn", "visited", "hits", "misses", "replaced")
    for column in ("design", "kind", "of"):
        table.add_column(column, no_wrap=True)
    for column in numbers:
        table.add_column(column.replace("_size", ""), justify="right", no_wrap=True)
    table.add_column("complete")
    for one in designs:
        counts = ("" if one[name] is None else f"{one[name]:,}" for name in numbers)
        said = "yes" if one["is_complete"] else "no"
        table.add_row(f"{one['design_id']}", one["name"], f"{one['kind']}s", *counts, said)
    Console().print(table, highlight=False)
