"""The page as a person sees it: drawn, readable on a phone and in the dark, and silent towards the network."""

from __future__ import annotations

import socket
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from harvester.report.panels import COMMUNITY, HEALTH, backlog_parts
from harvester.wording import counted

MARKS = """
return Object.fromEntries([...document.querySelectorAll(".panel")].map(panel => [
    panel.id, [...panel.querySelectorAll("figure")].map(figure => figure.querySelectorAll(".mark").length)]));
"""
SMALL = """
const found = new Set();
for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const shown = own && one.tagName !== "title" && one.getClientRects().length;
    if (shown && parseFloat(getComputedStyle(one).fontSize) < 11)
        found.add(one.className + ": " + one.textContent.trim());
}
return [...found];
"""
OVERLAPS = """
const found = [];
const groups = ".scale, .below, .above, .side, .matrix .line, .numbers, .frame, .runs li, summary";
for (const group of document.querySelectorAll(groups)) {
    const boxes = [...group.children].filter(one => !one.classList.contains("ghost") && one.textContent.trim())
        .map(one => { const range = document.createRange(); range.selectNodeContents(one);
                      return [one.textContent.trim(), range.getBoundingClientRect()]; })
        .filter(([, box]) => box.width && box.height);
    boxes.forEach(([name, a], index) => {
        for (const [other, b] of boxes.slice(index + 1))
            if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
                found.push(group.className + ": " + name.slice(0, 30) + " / " + other.slice(0, 30));
    });
}
return found;
"""
OUTSIDE = """
return [...document.querySelectorAll("body *")].filter(one => {
    if (one.closest(".scroll, pre, svg") && !one.matches(".scroll, pre, svg")) return false;
    const box = one.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(one => one.tagName + "." + one.className + ": " + one.textContent.trim().slice(0, 40));
"""
# Colours in any notation are painted and read back.
FAINT = """
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
function rgba(colour) {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
}
function light([r, g, b]) {
    const [x, y, z] = [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
const found = [];
for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || one.closest(".ghost, svg") || !one.getClientRects().length) continue;
    let under = one, back = [0, 0, 0, 0];
    for (; under && back[3] < 255; under = under.parentElement) back = rgba(getComputedStyle(under).backgroundColor);
    const [a, b] = [light(rgba(getComputedStyle(one).color)), light(back)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) found.push(`${one.className}: ${one.textContent.trim().slice(0, 30)} ${contrast.toFixed(2)}`);
}
return found;
"""
# The bar of a mark is a background of it.
SIZES = """
return [...document.querySelectorAll(arguments[0])].map(one => {
    const [width, height] = getComputedStyle(one).backgroundSize.split(",")[0].split(" ").map(parseFloat);
    return arguments[1] === "width" ? width * one.clientWidth / 100 : height * one.clientHeight / 100;
});
"""
HEIGHTS = "return [...document.querySelectorAll(arguments[0])].map(one => one.getBoundingClientRect().height);"
LABELS = "return [...document.querySelectorAll(arguments[0])].map(one => one.ariaLabel);"
# The label that stands in place of the caption, if it can be seen.
SHOWN = """
const one = arguments[0] ?? document.activeElement, style = getComputedStyle(one, "::after");
const caption = one.closest("figure").querySelector("figcaption");
const isShown = style.display !== "none" && getComputedStyle(caption).visibility === "hidden";
return isShown && style.content === JSON.stringify(one.ariaLabel) ? one.ariaLabel : null;
"""


@pytest.fixture
def opened(harvest, look_at, tmp_path):
    """A page with something in every part of it, as a file."""
    with psycopg.connect(harvest.harvester.database) as connection:
        connection.execute(
            "INSERT INTO crawl.quarantine (stream, entity_id, path, status, reason)"
            " SELECT 'project_comments', n, '/p', 200, 'no JSON' FROM generate_series(1, 12) n"
        )
        connection.execute(
            "UPDATE crawl.runs SET outcome = 'degraded', findings = %s WHERE id = (SELECT max(id) FROM crawl.runs)",
            [Jsonb(["12 responses were set aside, of project_comments and perhaps others"])],
        )
        # Lists of every age, some not read and some without proof, some due.
        connection.execute(
            "UPDATE crawl.frontier SET certified_from = now() - make_interval(days => (entity_id % 7 * 40)::int),"
            " visited_at = now() - make_interval(days => (entity_id % 7 * 40)::int), due_at = now() - interval '1 day'"
            " WHERE entity_id % 3 = 0"
        )
        connection.execute(
            "UPDATE crawl.frontier SET visits = 0, due_at = now() - interval '1 day' WHERE entity_id % 11 = 0"
        )
        connection.execute(
            "UPDATE crawl.frontier SET certificate = certificate || %s WHERE mod(entity_id, 13) = 0",
            [Jsonb({"complete": False})],
        )
    page = look_at(harvest.harvester.database)
    file = tmp_path / "page.html"
    file.write_text(page.html, encoding="utf-8")
    return page, file.as_uri()


def _expected(page: Any) -> dict[str, list[int]]:
    """How many marks each chart must have, from the figures alone."""
    rows = {panel.name: page.rows(panel.name) for panel in (*HEALTH, *COMMUNITY)}
    ages = [name for name in rows["coverage"][0] if name not in ("stream", "in_scope")]
    late = [parts for parts in map(backlog_parts, rows["backlog"]) if any(parts[1:])]

    def classes(name: str, column: str) -> int:
        numbers = [row[column] for row in rows[name]]
        return sum(min(numbers) <= low <= max(numbers) for low in (0, *(2**power for power in range(11))))

    def filled(column: str) -> int:
        return max(index for index, row in enumerate(rows["degrees"], 1) if row[column])

    return {
        "requests": [len(rows["requests"])],
        "written": [len(rows["written"])],
        "backlog": [sum(sum(part > 0 for part in parts) for parts in late) + bool(len(late) < len(rows["backlog"]))],
        "coverage": [sum(bool(row[name]) for row in rows["coverage"] for name in ages)],
        "answers": [sum(row["kind"] != "answered" for row in rows["answers"])],
        "purposes": [len(rows["purposes"])],
        "growth": [len(rows["growth"])] * 4,
        "calendar": [len(rows["calendar"])],
        "hours": [24, 168],
        "answered": [6],
        "retention": [len(rows["retention"])],
        "remix_sizes": [classes("remix_sizes", "projects_from")],
        "remix_depths": [len(rows["remix_depths"])],
        "degrees": [filled("users_followed_by_so_many"), filled("users_following_so_many")],
        "studio_life": [5],
        "studio_sizes": [classes("studio_sizes", "projects_from")],
        "studio_events": [len(rows["studio_events"])],
        "rankings": [sum(bool(row["places_read_again"]) for row in rows["rankings"])],
        "gone": [len(rows["gone"])],
        "countries": [len(rows["countries"])],
    }


def test_a_file_that_shows_all_and_asks_for_nothing(opened, browser):
    page, url = opened
    browser.open(url)
    marks = browser.run(MARKS)
    assert {name: marks[name] for name in marks if marks[name]} == _expected(page)
    assert [address for address in browser.asked_for() if not address.startswith("data:")] == [url]
    assert browser.said() == []

    # Axes begin at zero: a mark is as high, or as long, as its number.
    for chart, column in enumerate(("users_joined", "projects_shared", "comments_written", "studios_begun"), 1):
        heights = browser.run(SIZES, f"#growth figure:nth-of-type({chart}) .mark", "height")
        numbers = [row[column] for row in page.rows("growth")]
        unit = max(heights) / max(numbers)
        assert unit > 0
        assert all(abs(height - unit * number) < 0.5 for height, number in zip(heights, numbers, strict=True)), column
    lengths = browser.run(SIZES, "#countries .mark", "width")
    (room, *_) = browser.run("return [...document.querySelectorAll('#countries .mark')].map(one => one.clientWidth)")
    total = sum(row["users"] for row in page.rows("countries"))
    for length, row in zip(lengths, page.rows("countries"), strict=True):
        assert abs(length - room * row["users"] / total) < 0.5

    # Whoever sees no chart is told what it shows, and has the figures.
    figures = sum(map(len, _expected(page).values()))
    assert browser.run("return document.querySelectorAll('figure').length") == figures
    labels = browser.run("return [...document.querySelectorAll('[role=radiogroup]')].map(one => one.ariaLabel)")
    assert len(labels) == figures
    assert all(len(label) > 12 for label in labels)
    assert browser.run(
        "return [...document.querySelectorAll('.panel figure')].every("
        "one => one.closest('.panel').querySelector('details table tbody tr'))"
    )
    # What is wrong stands in full above what is well, which is a line that opens.
    health = browser.run("return [...document.querySelectorAll('#health .panel')].map(one => [one.id, one.className])")
    assert [name for name, kind in health if "brief" not in kind] == ["backlog", "coverage", "runs", "quarantine"]
    assert {kind for _, kind in health[:4]} == {"panel span3 bad"}


def test_each_value_is_shown_on_hover_and_by_the_keyboard(harvest, look_at, browser, tmp_path):
    """One stop of the tab key for a chart, arrow keys in it; and the page of a crawl that is well has five screens."""
    page = look_at(harvest.harvester.database)
    file = tmp_path / "page.html"
    file.write_text(page.html, encoding="utf-8")
    browser.open(file.as_uri())
    assert browser.run("return document.documentElement.scrollHeight") <= 5 * 800
    lines = browser.run(HEIGHTS, "#health .brief")
    assert len(lines) == len(HEALTH) + len(("runs", "quarantine", "drift"))
    assert max(lines) < 64
    assert page.text("#notices").startswith("All is well.")

    acts = ("act", "acts")
    days = [f"{row['day']}: {counted(row['acts'], *acts)}" for row in page.rows("calendar")]
    countries = page.rows("countries")
    users = sum(row["users"] for row in countries)
    expected = {
        "calendar": days,
        "countries": [f"{row['country']}: {row['users']} of {users} users" for row in countries],
        "retention": None,
        "growth": None,
    }
    keys = ActionChains(browser.driver)
    keys.send_keys(Keys.TAB).perform()  # a page has the focus from the first key on
    for name, values in expected.items():
        labels = browser.run(LABELS, f"#{name} figure:nth-of-type(1) .mark")
        assert values in (None, labels)
        browser.run(f"document.querySelector('#{name} .mark').focus()")
        shown = [browser.run(SHOWN, None)]
        for _ in range(2):
            keys.send_keys(Keys.ARROW_RIGHT).perform()
            shown.append(browser.run(SHOWN, None))
        assert shown == labels[:3], name
        keys.send_keys(Keys.TAB).perform()
        assert browser.run(LABELS, f"#{name} figure:nth-of-type(1) .mark:focus") == []
        mark = browser.driver.find_elements("css selector", f"#{name} .mark")[1]
        keys.scroll_to_element(mark).move_to_element(mark).perform()
        hovered = browser.run(LABELS, f"#{name} .mark:hover")
        assert len(hovered) == 1
        assert browser.run(SHOWN, mark) == hovered[0]
    assert browser.said() == []


def test_the_page_may_ask_for_nothing_even_if_it_wanted(opened, browser):
    _, url = opened
    browser.open(url)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    refused = browser.run(
        """
        const elsewhere = arguments[0];
        const refused = [];
        document.addEventListener("securitypolicyviolation", event => refused.push(event.effectiveDirective));
        const image = document.body.appendChild(new Image());
        image.src = elsewhere + "pixel";
        const script = document.body.appendChild(document.createElement("script"));
        script.textContent = "window.ran = true";
        document.body.insertAdjacentHTML("beforeend", "<iframe src='http://127.0.0.1:9/'></iframe>");
        document.body.insertAdjacentHTML("beforeend", "<img onerror='window.ran = true' src=x>");
        return fetch(elsewhere).catch(() => 0).then(() => new Promise(done => setTimeout(done, 200)))
            .then(() => [window.ran ?? false, ...refused]);
        """,
        f"http://127.0.0.1:{listener.getsockname()[1]}/",
    )
    assert refused[0] is False
    assert {"img-src", "script-src-elem", "connect-src", "frame-src"} <= set(refused[1:])
    with listener, pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_can_be_read_on_a_phone_and_in_the_dark(opened, browser, width, dark):
    _, url = opened
    browser.open(url, width=width, dark=dark)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run(OUTSIDE) == []
    assert browser.run(SMALL) == []
    assert browser.run(OVERLAPS) == []
    assert browser.run(FAINT) == []
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    red = int(background.removeprefix("rgb(").split(",")[0])
    assert (red < 64) is dark
    # Opened, tables and queries scroll in themselves.
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run(OUTSIDE) == []
    assert browser.said() == []
