"""The page of benchmarks says what was measured."""

from __future__ import annotations

from pathlib import Path

from benchmarks import page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_made_of_what_was_kept() -> None:
    kept = page.kept()
    assert (DOCS / "benchmarks.md").read_text() == page.page(kept), "python -m benchmarks page"
    for name in page.PLOTS.keys() & kept.keys():
        assert (DOCS / "assets" / f"benchmarks-{name}.svg").exists()
