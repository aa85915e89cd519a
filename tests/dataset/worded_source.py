"""A source made by hand that has a word of its own wherever somebody can write one, in a warehouse beside others."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from harvester.crawl.answers import source_of, take_source
from harvester.crawl.source_store import store_sources
from harvester.erasure.rule import Rule
from harvester.frontier import leases
from harvester.frontier.model import Counts
from harvester.warehouse.bodies import InDatabase
from harvester.warehouse.connect import open_connection

WORD = "quorzel"
"""Beginning of each of its words, which nothing else holds."""
FILE = "0123456789abcdef0123456789abcdef"
"""Its asset."""
OPCODES = {
    "event_whenflagclicked": 1, "procedures_definition": 1, "procedures_call": 1, "looks_sayforsecs": 1,
    "sensing_askandwait": 1, "data_setvariableto": 1, "argument_reporter_string_number": 1, "unknown": 2,
}  # fmt: skip
"""Its blocks, as they are counted."""


def _block(opcode: str, parent: str | None, below: str | None, **parts: Any) -> dict[str, Any]:
    where = {"topLevel": parent is None} | ({"x": 1, "y": 2} if parent is None else {})
    return (
        {"opcode": opcode, "parent": parent, "next": below, "inputs": {}, "fields": {}, "shadow": False} | where | parts
    )


def worded_source(said: str = "") -> bytes:
    """Return the source, of Scratch 3; `said`: what it says instead of one of its words."""
    numbers = count()

    def word() -> str:
        return f"{WORD}{next(numbers):03}"

    argument, label = word(), f"{word()} %s"
    called = {"proccode": label, "argumentids": json.dumps([word()])}
    defined = called | {"argumentnames": json.dumps([argument]), "argumentdefaults": json.dumps([word()])}
    reporter = "argument_reporter_string_number"
    blocks = {
        "a": _block("event_whenflagclicked", None, "b"),
        "b": _block("looks_sayforsecs", "a", "c",
                    inputs={"MESSAGE": [1, [10, said or word()]], "SECS": [1, [4, word()]]}),
        "c": _block("sensing_askandwait", "b", "d", inputs={"QUESTION": [1, [10, word()]]}),
        "d": _block("data_setvariableto", "c", "e", fields={"VARIABLE": [word(), word()]},
                    inputs={"VALUE": [1, [10, word()]]}),
        "e": _block("procedures_call", "d", "f", mutation=called, inputs={word(): [1, [10, word()]]}),
        "f": _block(word(), "e", None, inputs={word(): [1, [10, word()]]}, fields={word(): [word(), None]}),
        "g": _block("procedures_definition", None, None, inputs={"custom_block": [1, "h"]}),
        "h": _block("procedures_prototype", "g", None, shadow=True, mutation=defined),
        "i": _block(reporter, None, None, fields={"VALUE": [argument, None]}),
        "j": _block(word(), None, None),
    }  # fmt: skip
    asset = {"name": word(), "assetId": FILE, "md5ext": f"{FILE}.svg", "dataFormat": "svg"}
    sound = {"name": word(), "assetId": word(), "md5ext": f"{word()}.wav", "dataFormat": "wav"}
    stage = {
        "isStage": True, "name": "Stage", "blocks": {}, "costumes": [asset], "sounds": [sound],
        "variables": {word(): [word(), word()], word(): [word(), word(), True]},
        "lists": {word(): [word(), [word(), word()]]},
        "broadcasts": {word(): word()},
        "comments": {word(): {"blockId": None, "x": 1, "y": 2, "text": word()}},
    }  # fmt: skip
    sprite = stage | {"isStage": False, "name": word(), "blocks": blocks}
    about = {"semver": "3.0.0", "vm": word(), "agent": word()}
    monitors = [{"id": word(), "mode": word(), "opcode": "data_variable", "params": {"VARIABLE": word()}}]
    made = {"targets": [stage, sprite], "monitors": monitors, "extensions": [word()], "meta": about}
    return json.dumps(made).encode()


def store_source(database: str, project: int, body: bytes) -> None:
    """Store a source as what a request for that of a project came to."""
    with open_connection(database, autocommit=True) as connection:
        lease = leases.lease_this(connection, 1, "project_source", project)
        read = take_source(lease, source_of(200, body))
        store_sources(connection, [read], Rule(b"", []), Counts(), InDatabase())
        leases.release(connection, [lease])
