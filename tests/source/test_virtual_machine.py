"""Sources are read as Scratch's own virtual machine loads them.

The machine, `scratch-vm` of npm, runs in a process of its own. It is installed into a temporary folder, which needs
node, npm and the network; nothing of it is used elsewhere. Besides made projects it loads the files of the folder that
`HARVESTER_TEST_SOURCES` names.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sources
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.source.decode import decode
from harvester.source.differences import compare
from harvester.source.facts import facts
from harvester.source.opcodes import SCRATCH_2

if TYPE_CHECKING:
    from collections.abc import Callable

    from sources import Sprite

    from harvester.source.model import ProjectSource

pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("processes")]

SCRATCH_VM = "scratch-vm@5.0.300"
FILE = "bcf454acf82e4504149f7ffe07081dbc.svg"
SCRIPT = Path(__file__).with_name("load_in_scratch.js")


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[bytes]], list[Any]]:
    """Return a function that loads bodies into the virtual machine."""
    folder = tmp_path_factory.mktemp("scratch-vm")
    install = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", SCRATCH_VM]
    subprocess.run(install, check=True, capture_output=True)

    def loaded(bodies: list[bytes]) -> list[Any]:
        files = [folder / f"{place}.json" for place in range(len(bodies))]
        for file, body in zip(files, bodies, strict=True):
            file.write_bytes(body)
        result = subprocess.run(["node", SCRIPT, folder, *files], check=True, capture_output=True)
        return [json.loads(line) for line in result.stdout.splitlines()]

    return loaded


def compare_with_machine(source: ProjectSource, loaded: Any) -> Counter[str]:
    """Compare what was read with what the machine holds, sprite by sprite; return how much there was."""
    messages: set[str] = set()
    seen: Counter[str] = Counter()
    for target, machine in zip(source.targets, loaded["targets"], strict=True):
        opcodes = Counter(block.opcode for script in (*target.scripts, *target.loose) for block in script)
        assert opcodes == machine["opcodes"]
        assert len(target.scripts) == machine["scripts"]
        assert target.is_stage == machine["isStage"]
        assert sorted(one.name for one in target.variables) == sorted(machine["variables"])
        assert sorted(target.lists) == sorted(machine["lists"])
        assert len(target.comments) == machine["comments"]
        messages |= {message.lower() for message in machine["messages"]}
        seen.update(sprites=not target.is_stage, scripts=len(target.scripts), blocks=opcodes.total())
        seen.update(variables=len(target.variables), lists=len(target.lists))
    found = facts(source)
    assert found is not None
    assert found.broadcasts == len(messages)
    seen.update(broadcasts=found.broadcasts)
    return seen


def compare_with_saved(source: ProjectSource, loaded: Any) -> None:
    """Compare the scripts with those that the machine writes: the same blocks with the same texts."""
    saved = decode(sources.write(loaded["saved"]))
    for target, again in zip(source.targets, saved.targets, strict=True):
        assert Counter(target.scripts) == Counter(again.scripts)


def test_real_projects_are_read_as_scratch_loads_them(load: Callable[[list[bytes]], list[Any]]) -> None:
    folder = os.environ.get("HARVESTER_TEST_SOURCES")
    if folder is None:
        pytest.skip("HARVESTER_TEST_SOURCES names no folder of project.json files")
    files = sorted(Path(folder).glob("*.json"))
    bodies = [file.read_bytes() for file in files]
    seen: Counter[str] = Counter()
    for file, body, loaded in zip(files, bodies, load(bodies), strict=True):
        source = decode(body)
        assert source.odd == 0, file.name
        assert "error" not in loaded, (file.name, loaded)
        seen += compare_with_machine(source, loaded)
        compare_with_saved(source, loaded)
        assert compare(decode(sources.write(loaded["saved"])), source).scripts_added == 0
    print(len(files), dict(seen))


def complete(project: dict[str, Any]) -> dict[str, Any]:
    """Add what the machine demands of a project of Scratch 2."""
    sprite = {
        "scratchX": 0, "scratchY": 0, "scale": 1, "direction": 90, "rotationStyle": "normal", "isDraggable": False,
        "visible": True, "spriteInfo": {}, "indexInLibrary": 1,
    }  # fmt: skip
    costume = {"costumeName": "a", "baseLayerID": 0, "baseLayerMD5": FILE, "bitmapResolution": 1}
    common = {
        "costumes": [costume | {"rotationCenterX": 0, "rotationCenterY": 0}],
        "currentCostumeIndex": 0,
        "sounds": [],
    }
    stage = {"tempoBPM": 60, "penLayerMD5": FILE, "penLayerID": 0, "info": {}}
    return project | common | stage | {"children": [sprite | child | common for child in project["children"]]}


def every_block_of_scratch_2() -> dict[str, Any]:
    """Return a project with a script for each opcode, whose arguments are such that Scratch can load them."""
    given = {"VARIABLE": "score", "LIST": "log", "WHENGREATERTHANMENU": "timer", "PROPERTY": "x position"}
    scripts: list[Any] = []
    for opcode, (_, names, _) in SCRATCH_2.items():
        arguments = []
        for name in names:
            if name.startswith("SUBSTACK"):
                arguments.append([["show"], ["hide"]])
            elif name in ("CONDITION", "OPERAND") or opcode in "&|":
                arguments.append(["mousePressed"])
            else:
                arguments.append(16711680 if name.startswith("COLOR") else given.get(name, "7"))
        scripts.append([[opcode, *arguments]])
    proccode = "jump %n %b %s"
    scripts += [
        [["procDef", proccode, ["height", "on", "text"], [1, False, ""], False], ["say:", ["getParam", "height", "r"]]],
        [["doIf", ["getParam", "on", "b"], [["call", proccode, ["mouseX"], False, ["answer"]]]]],
        [["call", proccode, 5, ["mousePressed"], "t"], ["deleteLine:ofList:", "all", "log"], ["show"]],
        [["whenSensorGreaterThan", "video motion", 5], ["doForever", [["doIfElse", False, None, [["show"]]]]]],
        [["say:", 10], ["say:", 1.5], ["say:", True], ["say:", ["contentsOfList:", "log"]]],
        [["whenGreenFlag"], ["doWaitUntil", ["not", False]], ["doForeverIf", ["mousePressed"], [["show"]]], ["show"]],
        [["noSuchBlock", ["mouseX"]], ["doForever", [["abs", 1], ["hide"]]]],
        [["doForeverIf", ["mousePressed"], [["show"]]]],
    ]
    variables = [{"name": "score", "value": 0, "isPersistent": False}]
    lists = [{"listName": "log", "contents": [1], "isPersistent": False, "x": 0, "y": 0, "width": 9, "height": 9}]
    sprite = {
        "objName": "Sprite1", "scripts": [[0, 0, script] for script in scripts], "variables": variables, "lists": lists,
        "scriptComments": [[0, 0, 100, 100, True, -1, "a"]],
    }  # fmt: skip
    stage = {"objName": "Stage", "scripts": [[0, 0, [["whenClicked"], ["broadcast:", "go"]]]]}
    return complete(stage | {"children": [sprite]})


def test_blocks_of_scratch_2_are_converted_as_scratch_does(load: Callable[[list[bytes]], list[Any]]) -> None:
    source = decode(sources.write(every_block_of_scratch_2()))
    [loaded] = load([source.canonical])
    compare_with_machine(source, loaded)
    compare_with_saved(source, loaded)


def test_made_projects_are_read_as_scratch_loads_them(load: Callable[[list[bytes]], list[Any]]) -> None:
    """Made projects of both formats; many of their blocks name variables that are not declared."""
    bodies: list[bytes] = []

    @settings(max_examples=150, database=None, suppress_health_check=list(HealthCheck))
    @given(sources.projects, st.integers(0, 2**32).map(random.Random))
    def make(project: list[Sprite], order: random.Random) -> None:
        for place, sprite in enumerate(project):
            sprite.name, sprite.costumes, sprite.sounds = f"Sprite{place}", [("a", FILE)], []
        bodies.append(sources.write(sources.scratch_3(project, order)))
        second = sources.scratch_2(project)
        second["children"].pop()  # shows a variable
        bodies.append(sources.write(complete(second)))

    make()
    # The machine cuts backspaces, and calls a message without a name `message1`.
    changed = (b"\\b", b'["broadcast:", ""]', b'["whenIReceive", ""]')
    bodies = [body for body in bodies if not any(part in body for part in changed)]
    assert len(bodies) > 200
    for body, loaded in zip(bodies, load(bodies), strict=True):
        assert "error" not in loaded, body
        compare_with_saved(decode(body), loaded)
