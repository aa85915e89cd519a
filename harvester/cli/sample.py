"""Commands of `harvester seed sample`: samples whose units have known probabilities."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.choices import Allocation
from harvester.cli import output
from harvester.cli.base import AsJson, DryRun, Yes, example, group, settings
from harvester.errors import UsageError
from harvester.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

app = group("Draw samples with known probabilities, and put them in scope. A draw itself sends no request.")

Count = Annotated[int, typer.Argument(metavar="N", help="The number of ids to draw.")]
Design = Annotated[int, typer.Argument(help="The number of a design: see `harvester seed sample list`.")]
RandomSeed = Annotated[
    int | None,
    typer.Option(help="The same seed draws the same ids; a random one unless given.", min=0, show_default=False),
]
Depth = Annotated[
    int | None,
    typer.Option(
        min=0, help="Visit a hit's lists too, and follow this many links from it; unless given, visit the hit alone."
    ),
]
Clusters = Annotated[
    bool, typer.Option("--clusters", help="Visit the lists of each hit, as --depth 0: all comments of its projects.")
]
First = Annotated[int, typer.Option("--from", min=1, metavar="ID", help="The first id of the frame.")]
Last = Annotated[
    int | None,
    typer.Option("--up-to", min=1, metavar="ID", help="The last id of the frame; the newest known id unless given."),
]
Strata = Annotated[
    str | None,
    typer.Option(
        metavar="K|by-year|ID,ID,...", help="Draw from K equal parts, from each year, or from parts that begin here."
    ),
]
Shares = Annotated[Allocation, typer.Option("--allocation", help="How the draws are divided among the strata.")]
PilotDesign = Annotated[
    int | None, typer.Option(metavar="DESIGN", help="For neyman: an earlier design, whose hit rates are used.")
]
Certain = Annotated[
    int, typer.Option(min=0, metavar="K", help="Take the K with the most comments without chance, beside the draws.")
]


def _add_draw_of_ids(kind: str, command: str) -> None:
    """Add the command that draws ids of a kind; `command` is its example."""

    @app.command(
        f"{kind}s",
        epilog=example(command),
        help=f"Draw {kind} ids. Most are ids of nothing visible: such a miss costs one request and is recorded.",
    )
    def draw(
        count: Count,
        first: First = 1,
        up_to: Last = None,
        strata: Strata = None,
        allocation: Shares = Allocation.PROPORTIONAL,
        pilot: PilotDesign = None,
        certain: Certain = 0,
        clusters: Clusters = False,
        depth: Depth = None,
        seed: RandomSeed = None,
        as_json: AsJson = False,
    ) -> None:
        _draw_ids(
            as_json=as_json,
            kind=kind,
            count=count,
            first=first,
            up_to=up_to,
            strata=strata,
            allocation=allocation,
            pilot=pilot,
            certain=certain,
            depth=_depth(depth, clusters=clusters),
            seed=_seed(seed),
        )


_add_draw_of_ids("project", "harvester seed sample projects 5000 --up-to 1330000000 --seed 7")
_add_draw_of_ids("studio", "harvester seed sample studios 1000 --up-to 51700000")


@app.command(epilog=example("harvester seed sample panel 1200 --rotate 1/12 --up-to 1330000000"))
def panel(
    count: Count,
    rotate: Annotated[
        str | None, typer.Option(metavar="1/P", help="The part that each `harvester seed sample wave` replaces.")
    ] = None,
    first: First = 1,
    up_to: Last = None,
    clusters: Clusters = False,
    depth: Depth = None,
    seed: RandomSeed = None,
    as_json: AsJson = False,
) -> None:
    """Draw project ids that are visited again in each wave; with --rotate a part of them is replaced each time."""
    _draw_ids(
        as_json=as_json,
        panel=True,
        groups=_groups(rotate),
        count=count,
        first=first,
        up_to=up_to,
        depth=_depth(depth, clusters=clusters),
        seed=_seed(seed),
    )


@app.command(epilog=example("harvester seed sample wave 3"))
def wave(design: Design, as_json: AsJson = False) -> None:
    """Begin the next wave of a panel: visit its units again, and replace the next part of a rotating one.

    The outcomes of the wave before stay recorded.
    """
    from harvester.sampling.samples import next_wave

    output.emit(next_wave(settings(), design), _show_draw, as_json=as_json)


@app.command(epilog=example("harvester seed sample authors 1"))
def authors(design: Design, clusters: Clusters = False, depth: Depth = None, as_json: AsJson = False) -> None:
    """Take the authors of the projects that a design hits."""
    from harvester.sampling.samples import sample

    drawn = sample(settings(), design, _depth(depth, clusters=clusters))
    output.emit(drawn, _show_draw, as_json=as_json)


@app.command("random-walk", epilog=example("harvester seed sample random-walk 1 --steps 500 --walks 20 --restart 1"))
def random_walk(
    design: Design,
    steps: Annotated[int, typer.Option(help="The number of steps of each random walk.")],
    walks: Annotated[int, typer.Option(help="The number of random walks.")] = 10,
    burn_in: Annotated[int, typer.Option(help="The number of first steps that do not count.")] = 20,
    restart: Annotated[
        float, typer.Option(help="The weight of a jump to another author, against one for each follow.")
    ] = 0.0,
    clusters: Clusters = False,
    depth: Depth = None,
    seed: RandomSeed = None,
    as_json: AsJson = False,
) -> None:
    """Go along follows at random, from the authors of the projects that a design hits."""
    from harvester.sampling.random_walks import WalkPlan
    from harvester.sampling.samples import sample

    plan = WalkPlan(
        parent=design,
        steps=steps,
        walks=walks,
        burn_in=burn_in,
        restart=restart,
        seed=_seed(seed),
        depth=_depth(depth, clusters=clusters),
    )
    output.emit(sample(settings(), plan), _show_draw, as_json=as_json)


@app.command("list", epilog=example("harvester seed sample list"))
def list_designs(as_json: AsJson = False) -> None:
    """List the designs drawn so far, and how much of each was visited."""
    from harvester.sampling import samples

    output.emit(samples.list_designs(settings()), _show_designs, as_json=as_json)


@app.command(epilog=example("harvester seed sample cancel 2 --dry-run"))
def cancel(design: Design, dry_run: DryRun = False, yes: Yes = False, as_json: AsJson = False) -> None:
    """Cancel a design: end its visits that nothing else needs; what was visited by then stays recorded.

    A design from which authors or a random walk still draw is refused. Refused while a crawl is at work.
    """
    from harvester.sampling.scope import cancel_design

    end_visits(
        lambda *, dry_run: cancel_design(settings(), design, dry_run=dry_run),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )


def end_visits(shrink: Callable[..., Any], *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Shrink the scope, after asking, and show how many visits ended."""
    if not (dry_run or yes):
        would = shrink(dry_run=True)
        output.confirm(f"{_ended(would, 'would end')}. All stored rows stay. End these visits?")
    done = shrink(dry_run=dry_run)
    facts = done.as_json() | {"dry_run": dry_run}
    output.emit(facts, lambda _: typer.echo(_ended(done, "would end" if dry_run else "ended")), as_json=as_json)


def _ended(shrunk: Any, verb: str) -> str:
    entries = counted(shrunk.total, "entry", "entries")
    by_stream = ", ".join(f"{count:,} {stream}" for stream, count in shrunk.ended.items())
    return (
        f"{entries} of the frontier {verb}, {shrunk.unvisited:,} of them never visited"
        f"{f' ({by_stream})' if by_stream else ''}; {shrunk.left:,} stay"
    )


def _draw_ids(*, as_json: bool, **plan: Any) -> None:
    from harvester.sampling.ids import IdPlan
    from harvester.sampling.samples import sample

    output.emit(sample(settings(), IdPlan(**plan)), _show_draw, as_json=as_json)


def _seed(seed: int | None) -> int:
    return secrets.randbelow(2**31) if seed is None else seed


def _depth(depth: int | None, *, clusters: bool) -> int:
    from harvester.sampling.designs import ALONE

    return max(ALONE if depth is None else depth, 0 if clusters else ALONE)


def _groups(rotate: str | None) -> int:
    """Return the number of parts that `1/12` means; 0 for a panel without rotation."""
    if rotate is None:
        return 0
    one, slash, parts = rotate.partition("/")
    if one != "1" or not slash or not (parts.isascii() and parts.isdigit()) or not 2 <= int(parts) <= 1000:
        raise UsageError(f"--rotate {rotate!r}: a part such as 1/12")
    return int(parts)


def _show_draw(facts: dict[str, Any]) -> None:
    frame = f" of {facts['frame_size']:,}" if facts["frame_size"] else ""
    seed = facts["parameters"].get("seed")
    drawn = f"{facts['drawn']:,} {facts['kind']}s{frame} drawn" if facts["drawn"] else "begun"
    typer.echo(
        f"design {facts['design_id']} ({facts['name']}{'' if seed is None else f', seed {seed}'}): {drawn}."
        " Run `harvester crawl` to visit them, `harvester seed sample list` to see how far it is."
    )


def _show_designs(designs: list[dict[str, Any]]) -> None:
    if not designs:
        typer.echo("no sample was drawn yet: see `harvester seed sample --help`")
        return
    numbers = ("frame", "wave", "drawn", "visited", "hits", "misses", "replaced")
    names = ("design", "kind", "of", *numbers)
    table = output.table(*names, "complete", numbers=numbers)
    for one in designs:
        counts = (one["frame_size" if name == "frame" else name] for name in numbers)
        table.add_row(
            f"{one['design_id']}",
            one["name"],
            f"{one['kind']}s",
            *("" if count is None else f"{count:,}" for count in counts),
            "cancelled" if one["cancelled_at"] else "yes" if one["is_complete"] else "no",
        )
    output.console().print(table)
