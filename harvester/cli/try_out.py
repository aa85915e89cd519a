"""Commands that need no site: `demo` and `sandbox`."""

from __future__ import annotations

from typing import Annotated

import typer

from harvester.cli.base import example, settings
from harvester.errors import UsageError

PANEL = "Try out"

app = typer.Typer()


@app.command(rich_help_panel=PANEL, epilog=example("harvester demo --users 500"))
def demo(
    users: Annotated[int, typer.Option(min=20, max=100_000, help="Users of the made-up community.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed makes the same community.")] = 1,
) -> None:
    """Run the whole pipeline on this machine: database, sandbox, crawl, change, second crawl, dataset, report."""
    from harvester.cli.demo import run

    run(settings(), users=users, seed=seed)


@app.command(rich_help_panel=PANEL, epilog=example("harvester sandbox --port 8601 --users 500 --churn 2"))
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0,
    users: Annotated[int, typer.Option(min=1, max=1_000_000, help="Users of the community.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed makes the same community.")] = 1,
    churn: Annotated[float, typer.Option(min=0, help="Changes per second while it runs.")] = 0.0,
    faults: Annotated[str, typer.Option(help="Faults and their probabilities, as 500=0.05,429=0.02")] = "",
    odd: Annotated[float, typer.Option(min=0, max=1, help="Share of items that cannot be used as served.")] = 0.0,
    dense: Annotated[
        bool, typer.Option("--dense", help="Ids of which 1 in 10 is a shared project, for samples.")
    ] = False,
) -> None:
    """Serve a made-up community as the API would; print `ready URL` once it answers.

    Set HARVESTER_API_URL and HARVESTER_SITE_URL to the URL to crawl it.
    """
    from harvester.sandbox.server import serve

    try:
        serve(port=port, users=users, seed=seed, churn=churn, faults=faults, odd=odd, dense=dense)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None
