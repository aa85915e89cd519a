"""The documentation as a site: built strictly, and looked at in Chromium as files on a disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.wait import WebDriverWait

TOP = Path(__file__).parent.parent.parent
PAGES = sorted(page.stem for page in (TOP / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, processes: None) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = dict(os.environ) | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    return folder


class Menu(HTMLParser):
    """The pages that the menu leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and "md-nav__link" in (given.get("class") or ""):
            self.links.add((given["href"] or "").split("#")[0].removesuffix(".html"))


def test_every_page_is_in_the_menu_and_every_section_is_full(site: Path) -> None:
    menu = Menu()
    menu.feed((site / "index.html").read_text())
    assert set(PAGES) <= menu.links
    hooks: dict[str, Any] = {}
    exec((TOP / "docs" / "assets" / "hooks.py").read_text(), hooks)
    assert {page for pages in hooks["SECTIONS"].values() for page in pages} == {f"{page}.md" for page in PAGES}


WIDER = """
return [...document.querySelectorAll('body *')].filter(one => {
    const box = one.getBoundingClientRect();
    const hidden = getComputedStyle(one).position === 'fixed' || !box.width;
    const scrolls = one.closest('.md-typeset__scrollwrap, pre, .md-nav, .md-search');
    return !hidden && !scrolls && box.right > window.innerWidth + 1;
}).map(one => one.tagName + '.' + one.className).slice(0, 5)
"""


@pytest.mark.parametrize(
    ("width", "dark", "pages"),
    [
        (360, True, PAGES[::2]),
        *(pytest.param(*one, PAGES, marks=pytest.mark.soak) for one in ((1280, False), (360, True))),
    ],
)
def test_the_site_is_quiet_and_nothing_leaves_it(
    site: Path, browser: Any, width: int, dark: bool, pages: list[str]
) -> None:
    asked: list[str] = []
    browser.open(f"file://{site}/index.html", width=width, dark=dark)
    browser.run("localStorage.clear()")  # the palette that an earlier test saw
    for page in pages:
        browser.open(f"file://{site}/{page}.html", width=width, dark=dark)
        assert browser.said() == [], page
        asked += browser.asked_for()
        assert browser.run("return document.querySelector('article h1').innerText.length") > 3
        assert browser.run("return document.documentElement.scrollWidth") <= width, page
        assert browser.run(WIDER) == [], page
        drawn = "return [...document.images].map(one => one.complete && one.naturalWidth > 100)"
        assert all(browser.run(drawn)), page
        scheme = browser.run("return document.body.getAttribute('data-md-color-scheme')")
        assert scheme == ("slate" if dark else "default")
    assert len(asked) > len(pages)
    assert [url for url in asked if urlsplit(url).scheme not in ("file", "data", "blob")] == []
    assert [url for url in asked if url.startswith("file:") and not url.startswith(f"file://{site}/")] == []


DIAGRAMS = """
return [...document.querySelectorAll('.diagram')].map(one => {
    const [small, large] = one.querySelectorAll('img');
    return [small.clientWidth, small.parentElement.clientWidth, large.clientWidth, small.src];
})
"""


@pytest.mark.parametrize("width", [1280, 360])
def test_a_diagram_fits_and_opens_in_its_full_size(site: Path, browser: Any, width: int) -> None:
    browser.open(f"file://{site}/dictionary.html", width=width)
    drawn = browser.run(DIAGRAMS)
    written = re.findall(
        r"^```mermaid\n(.*?)^```", (TOP / "docs" / "dictionary.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert len(drawn) == len(written) > 3
    for (small, room, closed, source), text in zip(drawn, written, strict=True):
        assert 200 < small <= room < width
        assert closed == 0
        svg = Path(urlsplit(source).path).read_text()
        dashes = re.findall(r'relationshipLine"[^>]*?stroke-dasharray:([^;]*)', svg)
        assert [dashes.count(kind) for kind in ("none", "2 2")] == [text.count("--o{"), text.count("..o{")]
    # By the keyboard alone, from the picture and back to it.
    browser.run("document.querySelector('.diagram > button').focus()")
    keys = ActionChains(browser.driver)
    keys.send_keys(Keys.ENTER).perform()
    WebDriverWait(browser.driver, 30).until(lambda _: browser.run(DIAGRAMS)[0][2] > 1000)
    assert browser.run("return document.activeElement.innerText") == "Close"
    assert browser.run("return document.querySelector(':popover-open').clientWidth") == width
    assert browser.run("return getComputedStyle(document.querySelector(':popover-open > div')).overflow") == "auto"
    keys.send_keys(Keys.ESCAPE).perform()
    assert browser.run(DIAGRAMS)[0][2] == 0
    assert browser.run("return document.activeElement.title") == "Enlarge the diagram"
    assert browser.said() == []


def test_the_search_finds(site: Path, browser: Any) -> None:
    browser.open(f"file://{site}/dictionary.html")
    field = browser.driver.find_element("css selector", ".md-search__input")
    browser.run("document.querySelector('#__search').click()")
    links = "return [...document.querySelectorAll('.md-search-result__link')].map(one => one.href)"
    WebDriverWait(browser.driver, 30).until(lambda _: field.is_displayed())
    field.send_keys("tombstone")
    found = WebDriverWait(browser.driver, 60).until(lambda _: browser.run(links))
    assert any("concepts.html" in link for link in found)
    assert browser.said() == []
