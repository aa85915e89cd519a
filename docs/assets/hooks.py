"""What MkDocs does beside its plugins when it builds the site: the order of the pages, and the diagrams.

Mermaid diagrams are drawn when the site is built and stand in the page as SVG, so that no reader's browser runs a
script for them.
"""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmdr

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": ("index.md", "tutorial.md", "concepts.md"),
    "Run it": ("operations.md", "scheduling.md", "report.md"),
    "Use the data": ("analytics.md", "questions.md", "dictionary.md", "sampling.md", "datasets.md"),
    "How it works": ("endpoints.md", "method.md"),
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages in order; a page that stands in no section comes last, and is built all the same."""
    there = {page.name for page in Path(config.docs_dir).glob("*.md")}
    placed = {page for pages in SECTIONS.values() for page in pages}
    config.nav = [{name: [page for page in pages if page in there]} for name, pages in SECTIONS.items()]
    config.nav += sorted(there - placed)
    config.mdx_configs["pymdownx.superfences"] = {
        "custom_fences": [{"name": "mermaid", "class": "diagram", "format": draw}]
    }
    return config


def draw(source: str, _language: str, css_class: str, *_: Any, **__: Any) -> str:
    """A diagram as a picture of its own, at its own size: two on a page share no name and no style."""
    svg = mmdr.render(source).svg()
    width = re.search(r'viewBox="\S+ \S+ ([\d.]+)', svg)
    size = f' width="{float(width[1]):.0f}"' if width else ""
    kind = source.split(maxsplit=1)[0]
    return (
        f'<div class="{css_class}"><img alt="{kind}: what it shows stands in the text too"{size}'
        f' src="data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"></div>'
    )
