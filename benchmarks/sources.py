"""Measure how many sources of projects a second of CPU reads and counts: `python -m benchmarks sources`.

The projects are made: 12 scripts in three sprites, 150 blocks, about 30 kB of JSON, as Scratch 3 writes them.
"""

import json
import random
import time
from collections.abc import Callable
from typing import Any

from benchmarks.report import ROUNDS, median, publish, spread
from harvester.source.decode import decode
from harvester.source.differences import compare
from harvester.source.facts import facts
from harvester.source.structure import structure

PROJECTS = 200
SCRIPTS, BLOCKS = 12, 150
CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("motion_movesteps", {"STEPS": 4}),
    ("motion_gotoxy", {"X": 4, "Y": 4}),
    ("looks_sayforsecs", {"MESSAGE": 10, "SECS": 4}),
    ("control_wait", {"DURATION": 5}),
    ("data_setvariableto", {"VALUE": 10}),
    ("operator_add", {"NUM1": 4, "NUM2": 4}),
]


def key(chance: random.Random) -> str:
    return "".join(chance.choices("!#%()*+,-./:;=?@[]^_`{|}~ABCabcxyz0123456789", k=20))


def made(chance: random.Random) -> bytes:
    """Return a project: each script a hat, then blocks below each other, of which every third holds another."""
    targets: list[dict[str, Any]] = [
        {
            "isStage": place == 0, "name": f"Sprite{place}", "variables": {key(chance): ["score", 0]}, "lists": {},
            "broadcasts": {}, "comments": {}, "blocks": {}, "sounds": [], "costumes": [
                {"assetId": f"{number:032x}", "name": "walk", "md5ext": f"{number:032x}.svg", "dataFormat": "svg"}
                for number in range(5)
            ],
        }
        for place in range(4)
    ]  # fmt: skip
    for place in range(SCRIPTS):
        blocks = targets[place % 4]["blocks"]
        above: str | None = None
        left = BLOCKS // SCRIPTS + (place < BLOCKS % SCRIPTS)
        while left:
            opcode, inputs = chance.choice(CHOICES[:-1]) if above else ("event_whenflagclicked", {})
            here, held = key(chance), key(chance)
            block = {
                "opcode": opcode,
                "next": None,
                "parent": above,
                "fields": {},
                "shadow": False,
                "topLevel": not above,
            }
            block["inputs"] = {name: [1, [kind, str(chance.randrange(99))]] for name, kind in inputs.items()}
            if opcode == "data_setvariableto":
                block["fields"] = {"VARIABLE": ["score", key(chance)]}
            if above:
                blocks[above]["next"] = here
            blocks[here], above = block, here
            left -= 1
            if left and inputs and chance.random() < 1 / 3:
                reporter, inner = CHOICES[-1]
                name = next(iter(inputs))
                block["inputs"][name] = [3, held, [4, "10"]]
                given = {slot: [1, [kind, "7"]] for slot, kind in inner.items()}
                blocks[held] = block | {
                    "opcode": reporter,
                    "parent": here,
                    "next": None,
                    "inputs": given,
                    "topLevel": False,
                }
                left -= 1
    return json.dumps({"targets": targets, "extensions": [], "meta": {"semver": "3.0.0"}}).encode()


def rate(bodies: list[bytes], work: Callable[[bytes], object]) -> list[float]:
    """Return the bodies a second of CPU, of each round."""
    rates = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for body in bodies:
            work(body)
        rates.append(len(bodies) / (time.process_time() - began))
    return rates


def main() -> None:
    chance = random.Random(1)
    bodies = [made(chance) for _ in range(PROJECTS)]
    assert all(decode(body).blocks == BLOCKS for body in bodies)
    parent = decode(bodies[0])
    works: dict[str, Callable[[bytes], object]] = {
        "read, canonical form and hash": decode,
        "read, and facts with the scores": lambda body: facts(decode(body)),
        "read, and structure": lambda body: structure(decode(body)),
        "read, and compared with a parent": lambda body: compare(decode(body), parent),
    }
    rates = {name: rate(bodies, work) for name, work in works.items()}
    size = sum(map(len, bodies)) / len(bodies)
    publish(
        "sources",
        f"Sources of {BLOCKS} blocks, one process",
        ["", "projects a second of CPU: median (least to most)", "ms a project"],
        [[name, spread(found), f"{1000 / median(found):.2f}"] for name, found in rates.items()],
        notes=[f"{ROUNDS} rounds of {PROJECTS} projects of {size / 1000:.0f} kB."],
        figures=rates,
    )


if __name__ == "__main__":
    main()
