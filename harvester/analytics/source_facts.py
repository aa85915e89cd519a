"""Facts of the sources that are stored, and what remixes changed, worked out by as many processes as are asked for.

Both are pure functions of the bodies (`harvester.source`), so that they can be made again at any time. Each batch is a
transaction: what was done stays when the command is stopped, and an erasure waits for a batch at most.
"""

from __future__ import annotations

import gzip
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg.types.json import Jsonb

from harvester.errors import LostBody
from harvester.processes import end_with_parent
from harvester.source.decode import decode
from harvester.source.differences import Differences, compare
from harvester.source.facts import RULES, Facts, facts
from harvester.source.model import DamagedSource
from harvester.warehouse.bodies import BodyReader
from harvester.warehouse.schema import using_schema
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import source_differences, source_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Table

    from harvester.warehouse.connection import Connection

    Run = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
    Progress = Callable[[str, int, int], None]

_SQL = statements(__package__, "source_facts")
_BATCH = 200
"""Bodies or pairs in a transaction: a quarter of a second of CPU, and some 2 MB."""
_CHUNK = 10
"""Of those, how many a process takes at once."""


@dataclass(frozen=True, slots=True)
class Analysed:
    """Numbers of the bodies that were counted and scored, and of the remixes that were compared."""

    bodies: int
    comparisons: int

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        return asdict(self)


def analyse(
    connection: Connection,
    folder: Path | None = None,
    *,
    workers: int = 1,
    full: bool = False,
    on_progress: Progress = lambda *_: None,
) -> Analysed:
    """Work out the facts of bodies, then what the present versions of remixes changed.

    Args:
        connection: one in autocommit mode.
        folder: where files of bodies are looked for first.
        workers: processes that do it; with one, this process does it.
        full: do it for all bodies and remixes, not only for those that are new or of earlier rules.
        on_progress: is given what is done next, and how many are done; how many there are is not known.

    Raises:
        WarehouseError: no schema, or one that is being changed.
        LostBody: files are missing or were altered; everything else was worked out.
    """
    held = _Held(BodyReader(connection, folder))
    with _processes(workers) as run:
        bodies = comparisons = 0
        for count in _count_bodies(connection, held, run, full=full):
            bodies += count
            on_progress("facts", bodies, 0)
        for count in _compare_remixes(connection, held, run, full=full):
            comparisons += count
            on_progress("remixes", comparisons, 0)
    if held.lost:
        digest, error = next(iter(held.lost.items()))
        row = connection.execute("SELECT min(project_id) FROM source.versions WHERE body_sha256 = %s", [digest])
        (project,) = row.fetchone() or (None,)
        others = f" ({len(held.lost):,} of all sources are)" if len(held.lost) > 1 else ""
        raise LostBody(f"project {project}: {error}{others}. The facts of all others are worked out")
    return Analysed(bodies, comparisons)


class _Held:
    """Bodies where they are held, and those that are lost."""

    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader
        self.lost: dict[bytes, LostBody] = {}

    def packed(self, rows: Sequence[tuple[bytes, bytes | None]]) -> dict[bytes, bytes]:
        """Return the packed bodies of rows by their digest, without those that are lost."""
        found = {}
        for digest, packed in rows:
            try:
                found[digest] = self._reader.packed(digest, packed)
            except LostBody as error:
                self.lost.setdefault(digest, error)
        return found


def _count_bodies(connection: Connection, held: _Held, run: Run, *, full: bool) -> Iterator[int]:
    after, store = b"", _upsert(_SQL["store_facts"], source_facts)
    while True:
        with using_schema(connection), connection.transaction(), connection.cursor() as cursor:
            values = {"after": after, "full": full, "rules": RULES, "most": _BATCH}
            rows = cursor.execute(_SQL["bodies"], values).fetchall()
            if not rows:
                return
            digests = [digest for digest, _ in rows]
            bodies = held.packed(rows)
            found = run(_facts_of, list(bodies.values()))
            made = [(digest, one) for digest, one in zip(bodies, found, strict=True) if one is not None]
            cursor.executemany(store, [_row(digest, one) for digest, one in made])
            cursor.execute(_SQL["delete_assets"], [list(bodies)])
            cursor.executemany(
                _SQL["store_asset"],
                [(digest, use.kind.value, use.file, use.count) for digest, one in made for use in one.assets],
            )
        after = digests[-1]
        yield len(made)


def _compare_remixes(connection: Connection, held: _Held, run: Run, *, full: bool) -> Iterator[int]:
    store = _upsert(_SQL["store_difference"], source_differences)
    names = ("project_id", "relation", "sha256", "other_id", "other_sha256")
    with connection.cursor("pairs", withhold=True) as pairs:
        pairs.execute(_SQL["pairs"], {"full": full, "rules": RULES})
        while rows := pairs.fetchmany(_BATCH):
            with using_schema(connection), connection.transaction(), connection.cursor() as cursor:
                wanted = sorted({(own, other) for _, _, _, own, _, _, other in rows})
                bodies = {digest for pair in wanted for digest in pair}
                packed = held.packed(cursor.execute(_SQL["packed"], [list(bodies)]).fetchall())
                there = [pair for pair in wanted if packed.keys() >= set(pair)]
                results = run(_differences_of, [(packed[own], packed[other]) for own, other in there])
                found: dict[Any, Differences | None] = dict(zip(there, results, strict=True))
                made = [
                    dict(zip(names, (project, relation, digest, other, other_digest), strict=True))
                    | {"rules": RULES}
                    | msgspec.structs.asdict(differences)
                    for project, relation, digest, own_body, other, other_digest, other_body in rows
                    if (differences := found.get((own_body, other_body))) is not None
                ]
                cursor.executemany(store, made)
            yield len(made)


def _upsert(statement: str, table: Table) -> str:
    columns = [column.name for column in table.c]
    return statement.format(
        columns=", ".join(columns),
        values=", ".join(f"%({column})s" for column in columns),
        excluded=", ".join(f"excluded.{column}" for column in columns),
    )


def _row(digest: bytes, found: Facts) -> dict[str, Any]:
    counts = {field: getattr(found, field) for field in found.__struct_fields__ if field not in ("assets", "scores")}
    scores = {dimension.value: score for dimension, score in found.scores.items()}
    plain = {
        "opcodes": Jsonb(found.opcodes),
        "categories": Jsonb(found.categories),
        "extensions": list(found.extensions),
    }
    return {"body_sha256": digest, "rules": RULES} | counts | scores | plain


def _facts_of(packed: bytes) -> Facts | None:
    try:
        return facts(decode(gzip.decompress(packed)))
    except DamagedSource:  # by the rules of today
        return None


def _differences_of(pair: tuple[bytes, bytes]) -> Differences | None:
    try:
        child, parent = (decode(gzip.decompress(packed)) for packed in pair)
        return compare(child, parent)
    except DamagedSource:
        return None


@contextmanager
def _processes(workers: int) -> Iterator[Run]:
    """Yield a function that calls another one for each item of a list, in other processes if there are several."""
    if workers == 1:
        yield lambda work, items: list(map(work, items))
        return
    # Not forked: a copy of the connection would be closed with the process.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool:
        yield lambda work, items: list(pool.map(work, items, chunksize=_CHUNK))
