"""The tables of a release about sources: that of each project, its scripts and assets, and what remixes changed.

A release has them only where the warehouse has sources. `known_sources` has the projects whose source is in the release
(id, gone, and where ids are pseudonyms p). Columns are those of schema `source` whose annotation says how, but for
`scripts`, whose rows are made of the bodies while they stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harvester.dataset.columns import treatment
from harvester.dataset.release import SOURCES, Field, ForeignKey, Profile, Text, Tombstones, Type
from harvester.dataset.rows import PSEUDONYM, Made, ResourceQuery, moment, plain_value, type_of
from harvester.source.decode import decode
from harvester.source.model import DamagedSource
from harvester.source.scripts import hash_script
from harvester.source.structure import structure_of_script
from harvester.warehouse.annotations import about
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import source_assets, source_bodies, source_differences, source_facts, source_versions
from harvester.warehouse.treatments import Digest, Left, Reference, Structure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from sqlalchemy import Table

    from harvester.dataset.pseudonyms import Key
    from harvester.dataset.rows import Selection
    from harvester.dataset.snapshot import Snapshot
    from harvester.source.model import Script
    from harvester.warehouse.bodies import BodyReader

_SQL = statements(__package__, "sources")
"""Filled in by `str.format` with expressions that this module states."""

DIGESTS = ("version", "asset")
"""Kinds of values that are pseudonyms where ids are: the digest of a source, and the name of an asset."""
_BODIES = 16
"""Bodies whose rows are made at a time: some 160 rows, which are objects of Python until they are written."""
_REFERS = {"project_id": "own", "other_id": "other"}
"""By column with a project, the alias of its row in `known_sources`."""
_write = msgspec.json.Encoder().encode


def versions(selection: Selection) -> str:
    """Return the source of each project in the selected state, as SQL in place of a table."""
    if selection.at is None:
        return "source.present_versions"
    return _SQL["versions_at"].format(at=moment(selection.at))


def kept(selection: Selection) -> str:
    """Return the query of `kept_sources`: the projects of the release whose source is in it.

    But for `internal` with all that is gone, the project must be present. Outside `internal` its last request for the
    source must have read it: one that was refused or is damaged now is not shown any more.
    """
    conditions = ["true"]
    if selection.hashed or selection.tombstones is not Tombstones.FLAGS:
        conditions.append("NOT k.gone")
    if selection.hashed:
        conditions.append(_SQL["was_read"])
    projects = "(SELECT id, gone_at IS NOT NULL AS gone FROM scratch.projects)"
    return _SQL["kept"].format(
        projects=projects if selection.is_plain else "kept_projects",
        versions=versions(selection),
        conditions=" AND ".join(conditions),
    )


def digests(kind: str, selection: Selection) -> str:
    """Return the query of the values of a kind that get a pseudonym."""
    statements_by_kind = {"version": _SQL["version_digests"], "asset": _SQL["asset_digests"]}
    return statements_by_kind[kind].format(versions=versions(selection))


def told_apart(snapshot: Snapshot, selection: Selection) -> dict[str, Any]:
    """Count the sources of a release that their counts of blocks by opcode tell apart from all others in it."""
    (counted,) = snapshot.rows(_SQL["told_apart"].format(versions=versions(selection)))
    share = counted["alone"] / counted["sources"] if counted["sources"] else 0.0
    return {
        "with_counts_of_blocks": counted["sources"],
        "told_apart_by_their_opcodes": counted["alone"],
        "share": round(share, 4),
    }


def count_uncounted(snapshot: Snapshot, selection: Selection) -> int:
    """Return how many sources of a release have no counts yet, although their format has some."""
    return int(snapshot.one(_SQL["count_uncounted"].format(versions=versions(selection))))


class _Columns:
    """The columns of one query, with the joins that they need and the order of its rows."""

    def __init__(self, selection: Selection, key: Sequence[str]) -> None:
        self._selection = selection
        self._key = key
        self.made: list[Made] = []
        self.joins = ""
        self._order: dict[str, str] = {}

    def add(self, table: Table, alias: str, only: Sequence[str] = ()) -> None:
        """Add the columns of a table that the profile has, or some of them."""
        for column in table.c:
            name, said = str(column.name), about(column).release
            assert said is not None
            treated = treatment(said, self._selection.profile)
            if isinstance(treated, Left | Structure) or (only and name not in only):
                continue
            comment, is_key = str(column.comment), name in self._key
            if isinstance(treated, Reference):
                self._add_project(name, comment, is_key=is_key)
            elif isinstance(treated, Digest) and self._selection.hashed:
                known = f"known_{treated.kind}"
                self.joins += f" JOIN {known} ON {known}.id = {plain_value(column, alias)}"
                self._add_pseudonym(Field(name, Type.STRING, comment, PSEUDONYM, required=is_key), f"{known}.p")
            else:
                kind, value = type_of(column), plain_value(column, alias)
                self._order[name] = f'{value} COLLATE "C"' if kind is Type.STRING else value
                is_term = kind is Type.JSON
                self.made.append(Made(Field(name, kind, comment, required=is_key), value, is_term=is_term))

    def _add_project(self, name: str, comment: str, *, is_key: bool) -> None:
        alias = _REFERS[name]
        if self._selection.hashed:
            self._add_pseudonym(Field(name, Type.STRING, comment, PSEUDONYM, required=is_key), f"{alias}.p")
            return
        self._order[name] = f"{alias}.id"
        self.made.append(Made(Field(name, Type.INTEGER, comment, required=is_key), f"{alias}.id"))

    def _add_pseudonym(self, field: Field, value: str) -> None:
        self._order[field.name] = value
        self.made.append(Made(field, f"encode({value}, 'hex')"))

    def query(self, name: str, comment: str, statement: str, foreign_keys: tuple[ForeignKey, ...]) -> ResourceQuery:
        sql = statement.format(
            columns=", ".join(one.selected() for one in self.made),
            versions=versions(self._selection),
            joins=self.joins,
        )
        order = ", ".join(self._order[part] for part in self._key)
        return ResourceQuery(name, comment, sql, order, tuple(self.made), tuple(self._key), foreign_keys)


def queries(selection: Selection, key: Key | None, bodies: BodyReader) -> list[ResourceQuery]:
    """Build the queries of the tables about sources, under `restricted` or `internal`; `bodies` reads them."""
    sources = _Columns(selection, ("project_id",))
    for table, alias in ((source_versions, "version"), (source_bodies, "body"), (source_facts, "fact")):
        sources.add(table, alias)
    assets = _Columns(selection, ("project_id", "kind", "file"))
    assets.add(source_versions, "version", ("project_id",))
    assets.add(source_assets, "asset")
    differences = _Columns(selection, ("project_id", "relation"))
    differences.add(source_differences, "difference")
    of_source = ForeignKey(("project_id",), SOURCES, ("project_id",))
    return [
        sources.query(
            SOURCES,
            "The source of each project that was read, with what was counted in it and its scores.",
            _SQL["sources"],
            (ForeignKey(("project_id",), "projects", ("id",)),),
        ),
        _scripts(selection, key, of_source, bodies),
        assets.query("source_assets", "Costumes and sounds of each source.", _SQL["assets"], (of_source,)),
        differences.query(
            "remix_differences",
            str(source_differences.comment),
            _SQL["differences"],
            (of_source, ForeignKey(("other_id",), SOURCES, ("project_id",))),
        ),
    ]


_WITHOUT_WORDS = "Names, literals and comments are left out."


def _scripts(selection: Selection, key: Key | None, of_source: ForeignKey, bodies: BodyReader) -> ResourceQuery:
    """Build the query of the bodies, of which the rows of `scripts` are made."""
    columns = _Columns(selection, ("project_id",))
    columns.add(source_versions, "version", ("project_id",))
    (project,) = columns.made
    treatment = PSEUDONYM if selection.hashed else None
    fields = [
        Field("number", Type.INTEGER, "The number of the script within the source, from 1.", required=True),
        Field("sprite", Type.INTEGER, "The number of the stage or sprite in the source, from 0.", required=True),
        Field("loose", Type.BOOLEAN, "Whether its blocks belong to no script that the editor shows.", required=True),
        Field("blocks", Type.INTEGER, "Blocks; the fields and menus of a block are a part of it.", required=True),
        Field("script", Type.STRING, "Scripts that are the same up to names have the same.", treatment, required=True),
        Field(
            "structure",
            Type.JSON,
            "Of each block its opcode, the number of blocks that hold it, and the input that holds it: `next` below"
            " another block, empty at the top.",
            _WITHOUT_WORDS,
            required=True,
        ),
    ]
    made = [project, *(Made(field, "", is_term=True) for field in fields)]
    has_words = _has_words(selection)
    if has_words:
        made += [
            Made(Field("sprite_name", Type.STRING, "The name of the sprite."), "", text=Text.FULL),
            Made(Field("words", Type.JSON, "Of each block its fields and literals, by the name of the input."), ""),
        ]
    sql = _SQL["scripts"].format(
        project=project.sql,
        versions=versions(selection),
    )
    order = "own.p" if selection.hashed else "own.id"
    comment = "Each script of the sources of Scratch 2 and 3, block by block."
    keys = ("project_id", "number")
    expand = _Expand(key, bodies, has_words=has_words)
    return ResourceQuery(
        "scripts", comment, sql, order, tuple(made), keys, (of_source,), expand, ("project_id", "sha256")
    )


def _has_words(selection: Selection) -> bool:
    """Return whether a release has names and literals of scripts."""
    return selection.profile is Profile.INTERNAL and selection.text is Text.FULL


class _Expand:
    """Makes the rows of `scripts` of bodies; a body that is damaged by the rules of today has no row."""

    def __init__(self, key: Key | None, bodies: BodyReader, *, has_words: bool) -> None:
        self._key = key
        self._bodies = bodies
        self._has_words = has_words

    def __call__(self, bodies: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa  # noqa: PLC0415

        for start in range(0, bodies.num_rows, _BODIES):
            rows = [
                {"project_id": body["project_id"], **script}
                for body in bodies.slice(start, _BODIES).to_pylist()
                for script in self._rows(self._bodies.body(body["sha256"], body["packed"]))
            ]
            if rows:
                yield pa.RecordBatch.from_pylist(rows)

    def _rows(self, body: bytes) -> Iterator[dict[str, Any]]:
        try:
            targets = decode(body).targets
        except DamagedSource:
            return
        number = 0
        for sprite, target in enumerate(targets):
            for loose, scripts in ((False, target.scripts), (True, target.loose)):
                for script in scripts:
                    number += 1
                    row = {
                        "number": number,
                        "sprite": sprite,
                        "loose": loose,
                        "blocks": len(script),
                        "script": self._name_of(script),
                        "structure": _write(structure_of_script(script)).decode(),
                    }
                    if self._has_words:
                        row |= {
                            "sprite_name": target.name,
                            "words": _write([block.texts for block in script]).decode(),
                        }
                    yield row

    def _name_of(self, script: Script) -> str:
        digest = hash_script(script).hex()
        return digest if self._key is None else self._key.one("script", digest).hex()
