"""What MkDocs does beside its plugins when it builds the site: the order of the pages, and the diagrams.

Mermaid diagrams are drawn when the site is built and stand beside the pages as SVG, so that no reader's browser runs a
script for them.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmdr

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": ("index.md", "tutorial.md", "concepts.md"),
    "Run it": ("operations.md", "scheduling.md", "report.md"),
    "Use the data": (
        "connect.md",
        "analytics.md",
        "questions.md",
        "dictionary.md",
        "sources.md",
        "sampling.md",
        "datasets.md",
    ),
    "How it works": ("endpoints.md", "method.md", "benchmarks.md"),
}
TITLES = {"index.md": "Overview", "report.md": "Report"}
"""How the menu calls a page, where its heading would not do."""
SCALE = 0.65
"""A diagram in its page, so that more of it is in sight; alone it has its full size."""
_drawn: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages in order; a page that stands in no section comes last, and is built all the same."""
    there = {page.name for page in Path(config.docs_dir).glob("*.md")}
    placed = {page for pages in SECTIONS.values() for page in pages}
    config.nav = [
        {section: [{TITLES[page]: page} if page in TITLES else page for page in pages if page in there]}
        for section, pages in SECTIONS.items()
    ]
    config.nav += sorted(there - placed)
    config.mdx_configs["pymdownx.superfences"] = {
        "custom_fences": [{"name": "mermaid", "class": "diagram", "format": draw}]
    }
    return config


def draw(source: str, _language: str, css_class: str, *_: Any, **__: Any) -> str:
    """Draw a diagram as an SVG picture; two on a page share no name and no style."""
    svg = mmdr.render(source).svg()
    name = f"assets/diagrams/{sha256(svg.encode()).hexdigest()[:12]}.svg"
    _drawn[name] = svg
    width = re.search(r'viewBox="\S+ \S+ ([\d.]+)', svg)
    size = f' width="{float(width[1]) * SCALE:.0f}"' if width else ""
    return (
        f'<div class="{css_class}"><a href="{name}" title="The diagram alone">'
        f'<img alt="Diagram; what it shows stands in the text too"{size} src="{name}"></a></div>'
    )


def on_post_build(config: MkDocsConfig) -> None:
    """Put the diagrams into the site."""
    for name, svg in _drawn.items():
        file = Path(config.site_dir) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(svg)
