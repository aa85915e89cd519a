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
        "sampling-tutorial.md",
        "sampling.md",
        "datasets.md",
        "lake.md",
        "review.md",
    ),
    "How it works": ("endpoints.md", "method.md", "benchmarks.md", "scaling.md"),
}
TITLES = {"index.md": "Overview", "report.md": "Report"}
"""How the menu calls a page, where its heading would not do."""
SCALE = 0.65
"""A diagram in its page where there is room, so that more of it is in sight; enlarged it has its full size."""
DASHES = "2 2"
_DASHES = re.compile(r'(<path [^>]*?class="[^"]*relationshipLine"[^>]*?)stroke-dasharray:[^;]*')
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
    """Draw a diagram as an SVG picture that fits the page, in a button that opens it in its full size.

    Two on a page share no name and no style.
    """
    svg = _DASHES.sub(_evenly_dashed, mmdr.render(source).svg())
    width, height = re.findall(r'viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"', svg)[0]
    svg = svg.replace('width="100%"', f'width="{width}" height="{height}"', 1)
    digest = sha256(svg.encode()).hexdigest()[:12]
    name = f"assets/diagrams/{digest}.svg"
    _drawn[name] = svg
    opened = f"diagram-{digest}"
    picture = f'alt="Diagram; what it shows stands in the text too" src="{name}"'
    return (
        f'<div class="{css_class}"><button type="button" popovertarget="{opened}" title="Enlarge the diagram">'
        f'<img {picture} width="{float(width) * SCALE:.0f}" height="{float(height) * SCALE:.0f}"></button>'
        f'<div class="enlarged" popover id="{opened}"><button type="button" popovertarget="{opened}"'
        ' popovertargetaction="hide" autofocus>Close</button>'
        f'<div role="region" aria-label="The diagram in its full size" tabindex="0">'
        f'<img {picture} width="{float(width):.0f}" height="{float(height):.0f}"></div></div></div>'
    )


def _evenly_dashed(found: re.Match[str]) -> str:
    """Replace the dashes of a line, which the renderer leaves out where the line hops over another one."""
    return f"{found[1]}stroke-dasharray:{'none' if 'edge-pattern-solid' in found[1] else DASHES}"


def on_post_build(config: MkDocsConfig) -> None:
    """Put the diagrams into the site."""
    for name, svg in _drawn.items():
        file = Path(config.site_dir) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(svg)
