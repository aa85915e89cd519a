"""The rubric of Dr. Scratch: seven dimensions of computational thinking, each scored from 0 to 3.

Moreno-León, J., Robles, G., Román-González, M. (2015): Dr. Scratch: Automatic Analysis of Scratch Projects to Assess
and Foster Computational Thinking. RED. Revista de Educación a Distancia 46. A score is the highest level whose rule
holds.

The table of the article names blocks and leaves open what "two scripts" have to share. Here they start with the same
event, since others do not run at the same time. All scripts count, whether they are ever started or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from harvester.source.model import NEXT
from harvester.source.opcodes import HATS

if TYPE_CHECKING:
    from harvester.source.model import ProjectSource, Script


class Dimension(StrEnum):
    """A dimension of computational thinking."""

    ABSTRACTION = "abstraction"
    PARALLELISM = "parallelism"
    LOGIC = "logic"
    SYNCHRONIZATION = "synchronization"
    FLOW_CONTROL = "flow_control"
    USER_INTERACTIVITY = "user_interactivity"
    DATA_REPRESENTATION = "data_representation"


class Evidence(msgspec.Struct, frozen=True):
    """Properties of a source that the rules ask for.

    Attributes:
        opcodes: those of all scripts.
        scripts: how many scripts there are.
        sprites: how many sprites there are, the stage left out.
        most_starts: by opcode, how many scripts the same event starts at most.
        has_sequence: whether a block stands below another.
        asks_mouse: whether a menu names the mouse pointer.
    """

    opcodes: frozenset[str]
    scripts: int
    sprites: int
    most_starts: dict[str, int]
    has_sequence: bool
    asks_mouse: bool

    def uses(self, *opcodes: str) -> bool:
        return not self.opcodes.isdisjoint(opcodes)

    def starts_two(self, *opcodes: str) -> bool:
        return any(self.most_starts.get(opcode, 0) > 1 for opcode in opcodes)


class Level(msgspec.Struct, frozen=True):
    """A level of a dimension: what a project has to have, in words and as a test."""

    rule: str
    holds: Callable[[Evidence], bool]


_MODIFIERS = (
    "motion_movesteps", "motion_turnright", "motion_turnleft", "motion_pointindirection", "motion_pointtowards",
    "motion_gotoxy", "motion_goto", "motion_glidesecstoxy", "motion_glideto", "motion_changexby", "motion_setx",
    "motion_changeyby", "motion_sety", "motion_ifonedgebounce", "motion_setrotationstyle", "looks_changesizeby",
    "looks_setsizeto", "looks_switchcostumeto", "looks_nextcostume", "looks_changeeffectby", "looks_seteffectto",
    "looks_cleargraphiceffects", "looks_show", "looks_hide", "looks_gotofrontback", "looks_goforwardbackwardlayers",
)  # fmt: skip
_LISTS = (
    "data_addtolist", "data_deleteoflist", "data_deletealloflist", "data_insertatlist", "data_replaceitemoflist",
    "data_itemoflist", "data_itemnumoflist", "data_lengthoflist", "data_listcontainsitem",
)  # fmt: skip
_VIDEO = (
    "videoSensing_videoOn", "videoSensing_videoToggle", "videoSensing_setVideoTransparency",
    "videoSensing_whenMotionGreaterThan",
)  # fmt: skip

RUBRIC: dict[Dimension, tuple[Level, Level, Level]] = {
    Dimension.ABSTRACTION: (
        Level("more than one script and more than one sprite", lambda it: it.scripts > 1 and it.sprites > 1),
        Level("a custom block is defined", lambda it: it.uses("procedures_definition")),
        Level(
            "clones: `create clone of` or `when I start as a clone`",
            lambda it: it.uses("control_create_clone_of", "control_start_as_clone"),
        ),
    ),
    Dimension.PARALLELISM: (
        Level("two scripts start with the green flag", lambda it: it.starts_two("event_whenflagclicked")),
        Level(
            "two scripts start with the same key, or with a click on the same sprite",
            lambda it: it.starts_two("event_whenkeypressed", "event_whenthisspriteclicked", "event_whenstageclicked"),
        ),
        Level(
            "two scripts start with the same message, backdrop or quantity (`when loudness > 10`), or clones are made",
            lambda it: (
                it.uses("control_create_clone_of")
                or it.starts_two(
                    "event_whenbroadcastreceived",
                    "event_whenbackdropswitchesto",
                    "event_whengreaterthan",
                    "videoSensing_whenMotionGreaterThan",
                )
            ),
        ),
    ),
    Dimension.LOGIC: (
        Level("`if`", lambda it: it.uses("control_if")),
        Level("`if else`", lambda it: it.uses("control_if_else")),
        Level("`and`, `or` or `not`", lambda it: it.uses("operator_and", "operator_or", "operator_not")),
    ),
    Dimension.SYNCHRONIZATION: (
        Level("`wait`", lambda it: it.uses("control_wait")),
        Level(
            "`broadcast`, `when I receive` or `stop`",
            lambda it: it.uses("event_broadcast", "event_whenbroadcastreceived", "control_stop"),
        ),
        Level(
            "`wait until`, `when backdrop switches to` or `broadcast and wait`",
            lambda it: it.uses("control_wait_until", "event_whenbackdropswitchesto", "event_broadcastandwait"),
        ),
    ),
    Dimension.FLOW_CONTROL: (
        Level("a block below another", lambda it: it.has_sequence),
        Level("`repeat` or `forever`", lambda it: it.uses("control_repeat", "control_forever")),
        Level("`repeat until`", lambda it: it.uses("control_repeat_until")),
    ),
    Dimension.USER_INTERACTIVITY: (
        Level("`when flag clicked`", lambda it: it.uses("event_whenflagclicked")),
        Level(
            "a key, a click on a sprite, `ask and wait` or the mouse",
            lambda it: (
                it.asks_mouse
                or it.uses(
                    "event_whenkeypressed", "event_whenthisspriteclicked", "event_whenstageclicked",
                    "sensing_keypressed", "sensing_askandwait", "sensing_mousedown", "sensing_mousex", "sensing_mousey",
                )
            ),
        ),
        Level(
            "`when loudness > 10` or the like, video or loudness",
            lambda it: it.uses("event_whengreaterthan", "sensing_loudness", "sensing_loud", *_VIDEO),
        ),
    ),
    Dimension.DATA_REPRESENTATION: (
        Level("a property of a sprite is changed: place, direction, size or look", lambda it: it.uses(*_MODIFIERS)),
        Level("a variable is set or changed", lambda it: it.uses("data_setvariableto", "data_changevariableby")),
        Level("a list is changed or asked", lambda it: it.uses(*_LISTS)),
    ),
}  # fmt: skip
"""The rules of levels 1, 2 and 3 of each dimension."""

_OF_ONE_SPRITE = frozenset({"event_whenthisspriteclicked", "event_whenstageclicked"})


def score(source: ProjectSource) -> dict[Dimension, int]:
    """Return the score of each dimension, from 0 to 3."""
    evidence = _evidence(source)
    return {
        dimension: max((place for place, level in enumerate(levels, start=1) if level.holds(evidence)), default=0)
        for dimension, levels in RUBRIC.items()
    }


def _evidence(source: ProjectSource) -> Evidence:
    starts: Counter[tuple[str, object]] = Counter()
    opcodes: set[str] = set()
    scripts = 0
    has_sequence = asks_mouse = False
    for place, target in enumerate(source.targets):
        for script in target.scripts:
            scripts += 1
            for block in script:
                opcodes.add(block.opcode)
                has_sequence = has_sequence or block.slot == NEXT
                asks_mouse = asks_mouse or any(text == "_mouse_" for _, text in block.texts)
            if (event := _event(script, place)) is not None:
                starts[event] += 1
    most: dict[str, int] = {}
    for (opcode, _), count in starts.items():
        most[opcode] = max(most.get(opcode, 0), count)
    sprites = sum(not target.is_stage for target in source.targets)
    return Evidence(frozenset(opcodes), scripts, sprites, most, has_sequence, asks_mouse)


def _event(script: Script, target: int) -> tuple[str, object] | None:
    """Return the event that starts a script: its opcode, and which key, message, sprite or the like."""
    top = script[0]
    if top.opcode not in HATS:
        return None
    if top.opcode in _OF_ONE_SPRITE:
        return top.opcode, target
    which = tuple((slot, text.lower()) for slot, text in top.texts if slot not in ("VALUE", "REFERENCE"))
    return top.opcode, which
