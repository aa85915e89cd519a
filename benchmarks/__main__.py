"""Run the benchmarks: `make bench`, or `make bench BENCH_ARGS=ingest` for one; `--record` stores the results."""

import argparse
import runpy
import sys

BENCHMARKS = {
    "pipeline": ("benchmarks.pipeline", "one crawl by this project, dlt, Scrapy and by hand"),
    "ingest": ("benchmarks.ingest_pages", "pages of comments from memory, new and unchanged, against COPY"),
    "cost": ("benchmarks.page_cost", "what a page costs, in figures that are the same on every machine"),
    "replay": ("benchmarks.replay", "the archive of a crawl made a warehouse again, against COPY"),
    "recrawl": ("benchmarks.recrawl", "a crawl, and crawls of what has not changed, with history and without"),
    "workers": ("benchmarks.workers", "one, two and four worker processes on two cores"),
    "growth": ("benchmarks.growth", "ingest, lease, refresh and questions at 10^5 to 5·10^7 rows"),
    "lease": ("benchmarks.lease_many", "leases of 100, a status and a scrape of ten million entries"),
    "schedule": ("benchmarks.schedule.independent", "ninety simulated days of visits, against other rules"),
    "bursts": ("benchmarks.schedule.bursts", "ninety simulated days of a community with bursts and feeds"),
    "churn": ("benchmarks.churn", "unseen items after each refresh, against another version (--against=CHECKOUT)"),
    "analytics": ("benchmarks.analytics_queries", "each question of analytics over ten million comments"),
    "dataset": ("benchmarks.dataset_export", "ten million comments as Parquet, against COPY of the same rows"),
    "lake": ("benchmarks.lake", "a lake written and updated; ten questions by PostgreSQL, DuckDB and Spark"),
    "page": ("benchmarks.page", "docs/benchmarks.md and its plots, of what was kept with --record"),
    "sources": ("benchmarks.sources", "sources of projects read, and their facts found"),
    "sandbox": ("benchmarks.sandbox_speed", "requests that the sandbox answers on one core"),
}
LONG = ("schedule", "bursts", "churn", "analytics", "growth", "lake")
"""Benchmarks of half an hour or more, which run only when they are named."""


def main() -> None:
    """Run the benchmarks that are named, or all short ones; options that are not known here are theirs."""
    width = max(map(len, BENCHMARKS))
    listed = [f"  {name:{width}}  {title}{' *' * (name in LONG)}" for name, (_, title) in BENCHMARKS.items()]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what docs/benchmarks.md states.",
        epilog="\n".join(["benchmarks:", *listed, "\n* half an hour or more: runs only when it is named"]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to run; nothing: all that take minutes")
    parser.add_argument("--record", action="store_true", help="store the results, and write docs/benchmarks.md")
    given, others = parser.parse_known_args()
    options = [word for word in others if word.startswith("--")]
    names = given.names + [word for word in others if word not in options]  # argparse takes none after an option
    chosen = names or [name for name in BENCHMARKS if name not in (*LONG, "page")]
    if unknown := [name for name in chosen if name not in BENCHMARKS]:
        parser.error(f"no benchmark is called {unknown[0]}: there are {', '.join(BENCHMARKS)}")
    if given.record:
        options.append("--record")
        chosen += ["page"] if chosen[-1] != "page" else []
    for name in chosen:
        module, title = BENCHMARKS[name]
        print(f"== {name}: {title}", flush=True)
        sys.argv = [module, *options]
        runpy.run_module(module, run_name="__main__")


main()
