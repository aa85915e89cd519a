"""A labelled corpus of made-up comments, by which the redaction of texts is judged.

Comments are drawn from the templates and fillers of `corpus.toml`, in three parts: the rules were tuned with the first,
improved after their misses in the second, and are judged by the third, which was written afterwards. No text is by a
real person, and each draw is the same on every machine.
"""

# ruff: noqa: RUF001  (digits that look like others are what children write)

from __future__ import annotations

import random
import re
import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TUNED, HELD_OUT, FRESH = PARTS = "tuned", "held_out", "fresh"
LANGUAGES = ("en", "es", "pt", "de", "fr", "ja", "tr")
KINDS = ("age", "birthday", "school", "name", "place", "handle", "phone", "email", "link", "mention", "user")
HARMLESS = "harmless"

_SLOT = re.compile(r"\{(\w+)\}")
_KIND_OF_SLOT = {
    "age": "age",
    "date": "birthday",
    "year": "birthday",
    "grade": "school",
    "school": "school",
    "name": "name",
    "city": "place",
    "street": "place",
    "handle": "handle",
    "phone": "phone",
    "email": "email",
    "link": "link",
    "mention": "mention",
    "user": "user",
}
_AROUND = {
    TUNED: (("", "", "", "omg ", "hi! ", "hello ", "... "), ("", "", "", " lol", "!!", " 😀", " :meow:", " xd")),
    HELD_OUT: (("", "", "", "wow, ", "hey ", "um ", "ok so "), ("", "", "", " haha", "!", " ❤️", " :pizza:", " ^^")),
    FRESH: (("", "", "", "yo ", "btw ", "haha ", "so, "), ("", "", "", " :)", "!!!", " 🎉", " :tada:", " pls")),
}
USERNAMES = {
    TUNED: ("CoolCat_123", "pixelpanda", "dragonfire99", "Star-Gazer", "luna4eva", "TheGameMaker", "max", "-Mystic-"),
    HELD_OUT: ("blue_fox77", "waffleking", "ninja2012x", "Code-Wizard", "mrpotato", "ArtByKay", "sam", "__echo__"),
    FRESH: ("tiny_otter9", "pancakelord", "comet2014z", "Loop-Master", "drpickle", "SketchyLou", "rob", "x_Ember_x"),
}
_STRANGERS = {
    TUNED: ("somebody1", "best-friend_x"),
    HELD_OUT: ("new_kid9", "LostAccount"),
    FRESH: ("nobody_4u", "OldFriend-1"),
}
_HANDLES = {
    TUNED: ("jake_2011", "mia.plays", "Leo#1234", "xX_zoe_Xx", "oliverpro12", "sophiedraws"),
    HELD_OUT: ("noah.exe", "ava_gamer08", "Priya#0420", "its.dylan", "chloecat11", "tyronebeats"),
    FRESH: ("imogen.k", "caleb_2k13", "Rohan#3310", "the.sienna", "brodyplays7", "matildaart"),
}
_SERVICES = {
    TUNED: (
        "discord",
        "insta",
        "snap",
        "tiktok",
        "roblox",
        "youtube",
        "Instagram",
        "dis cord",
        "disc0rd",
        "r0blox",
        "yt",
    ),
    HELD_OUT: (
        "Discord",
        "snapchat",
        "tik tok",
        "d1scord",
        "insta",
        "Roblox",
        "youtube",
        "d i s c o r d",
        "sn@p",
        "dc",
    ),
    FRESH: ("Discord", "snapchat", "tiktok", "disc ord", "Insta", "ROBLOX", "youtube", "whatsapp", "r0blox", "twitch"),
}
_EMAILS = {
    TUNED: (
        "jake2010@gmail.com",
        "mia.l@hotmail.com",
        "leo at gmail dot com",
        "zoe(at)yahoo.com",
        "sam99 @ outlook.com",
    ),
    HELD_OUT: (
        "ava.smith@icloud.com",
        "noah08@gmail,com",
        "kay AT yahoo DOT com",
        "priya@school.edu",
        "max77[at]gmail.com",
    ),
    FRESH: (
        "imogen.w@gmail.com",
        "caleb9@hotmail.co.uk",
        "rohan at yahoo dot com",
        "si3nna@mail.com",
        "lou[at]icloud.com",
    ),
}
_LINKS = {
    TUNED: (
        "https://example.com/game",
        "www.mygame.net",
        "scratch.mit.edu/projects/123456789",
        "youtu.be/dQw4w9",
        "mysite dot com",
        "discord.gg/abc123",
    ),
    HELD_OUT: (
        "http://play.example.org/?id=7",
        "coolgames.io/run",
        "https://scratch.mit.edu/users/blue_fox77/",
        "bit.ly/3xYz",
        "hxxps://foo.example.com",
        "cool-site (dot) net",
    ),
    FRESH: (
        "https://sub.example.org/play?x=1",
        "goo.gl/abc12",
        "www.best-game-ever.com",
        "scratch.mit.edu/users/tiny_otter9",
        "my-page.github.io/game",
        "gamehub dot io",
    ),
}


class Label(NamedTuple):
    """A value in a text that must not be published."""

    start: int
    end: int
    kind: str


class LabelledComment(NamedTuple):
    """A made-up comment. `kind` is what it was made to hold, or harmless."""

    language: str
    kind: str
    text: str
    labels: tuple[Label, ...]


def comments(part: str, each: int = 120, harmless: int = 300) -> Iterator[LabelledComment]:
    """Make the comments of a part: `each` of each kind in each language, and `harmless` ones."""
    templates = _templates()
    for language in LANGUAGES:
        for kind in (*KINDS, HARMLESS):
            chance = random.Random(f"{part} {language} {kind}")
            options = templates[language][kind][part]
            for _ in range(harmless if kind == HARMLESS else each):
                yield _comment(chance, part, language, kind, chance.choice(options))


@cache
def _templates() -> dict[str, Any]:
    return tomllib.loads(resources.files("harvester.dataset").joinpath("corpus.toml").read_text(encoding="utf-8"))


def _comment(chance: random.Random, part: str, language: str, kind: str, template: str) -> LabelledComment:
    before, after = (chance.choice(options) for options in _AROUND[part])
    text, labels, done = before, [], 0
    for slot in _SLOT.finditer(template):
        text += template[done : slot.start()]
        value = _value(chance, part, language, slot[1])
        if slot[1] in _KIND_OF_SLOT:
            labels.append(Label(len(text), len(text) + len(value), _KIND_OF_SLOT[slot[1]]))
        text += value
        done = slot.end()
    text += template[done:] + after
    shouted = text.upper()
    if chance.random() < 0.08 and len(shouted) == len(text):
        text = shouted
    return LabelledComment(language, kind, text, tuple(labels))


def _value(chance: random.Random, part: str, language: str, slot: str) -> str:
    fill = _templates()[language]["fill"]
    plural = {"name": "names", "city": "cities", "street": "streets", "school": "schools", "grade": "grades"}
    if slot == "date":
        return str(chance.choice(fill["dates"][part]))
    if slot in plural:
        return str(chance.choice(fill[plural[slot]][part]))
    if slot == "age":
        return _age(chance, part, fill["words"])
    if slot == "phone":
        return _phone(chance, fill["digits"])
    made: dict[str, Callable[[], str]] = {
        "year": lambda: str(chance.randint(2010, 2017)),
        "handle": lambda: chance.choice(_HANDLES[part]),
        "service": lambda: chance.choice(_SERVICES[part]),
        "email": lambda: chance.choice(_EMAILS[part]),
        "link": lambda: chance.choice(_LINKS[part]),
        "user": lambda: _cased(chance, chance.choice(USERNAMES[part])),
        "mention": lambda: _mention(chance, part),
    }
    return made[slot]()


def _age(chance: random.Random, part: str, words: list[str]) -> str:
    """Return an age from 7 to 14, often written so that a filter may miss it."""
    age = chance.randint(7, 14)
    digits = str(age)
    word = words[age - 7]
    forms = [digits, digits, digits, digits, word, word]
    if part == FRESH:
        forms += ["*".join(digits), f"{digits} 1/2", " ".join(digits), digits.translate(_FULL_WIDTH), word.title()]
    elif part == TUNED:
        forms += [
            " ".join(digits),
            digits.replace("0", "O").replace("1", "l", 1),
            "\ufe0f\u20e3".join(digits) + "\ufe0f\u20e3",
        ]
    else:
        forms += [
            "😎".join(digits),
            ".".join(digits),
            digits.translate(_FULL_WIDTH),
            "\u200b".join(digits),
            word.upper(),
        ]
    return chance.choice(forms)


_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def _phone(chance: random.Random, words: list[str]) -> str:
    digits = f"{chance.randint(2, 9)}{chance.randrange(10**9):09d}"
    one, two, three = digits[:3], digits[3:6], digits[6:]
    return chance.choice(
        [
            f"{one}-{two}-{three}",
            f"({one}) {two} {three}",
            digits,
            " ".join(digits),
            f"{one}.{two}.{three}",
            f"+44 {digits[:4]} {digits[4:]}",
            f"{one}✨{two}✨{three}",
            " ".join(words[int(digit)] for digit in digits),
        ]
    )


def _mention(chance: random.Random, part: str) -> str:
    name = chance.choice((*USERNAMES[part], *_STRANGERS[part]))
    return f"@{'' if chance.random() < 0.9 else ' '}{_cased(chance, name)}"


def _cased(chance: random.Random, name: str) -> str:
    return name if chance.random() < 0.7 else name.lower()
