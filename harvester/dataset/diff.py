"""Compare two releases by key, reading both in order and in constant memory."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from harvester.dataset.citation import is_extra
from harvester.dataset.describe import read_release
from harvester.dataset.read import TROUBLE, Unreadable, batches, best_file, check_intact, disorder, joined
from harvester.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harvester.dataset.release import Release, Resource


@dataclass(slots=True)
class Change:
    """A table in two releases. Columns are compared where both have them; `columns` counts changed values by column."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    columns: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two releases."""

    older: str
    newer: str
    schema: tuple[str, ...]
    """Changes of tables and columns, in words."""
    tables: dict[str, Change]


def diff(older: Path, newer: Path) -> Difference:
    """Compare the releases in two folders.

    Raises:
        UsageError: a folder holds no release or a damaged one, or the two cannot be compared.
    """
    one, other = read_release(older), read_release(newer)
    _check_comparable(one, other)
    before = {resource.name: resource for resource in one.resources if not is_extra(resource)}
    after = {resource.name: resource for resource in other.resources if not is_extra(resource)}
    tables = {}
    for name in before.keys() & after.keys():
        if before[name].primary_key != after[name].primary_key:
            continue  # reported as a change of the schema
        try:
            tables[name] = _compare(older, before[name], newer, after[name])
        except (Unreadable, *TROUBLE) as error:
            why = error if isinstance(error, Unreadable) else type(error).__name__  # others may quote a cell
            raise UsageError(f"{name} cannot be compared: {why}; `harvester dataset verify` tells more") from None
    for name in before.keys() ^ after.keys():
        gone = name in before
        rows = (before if gone else after)[name].rows
        tables[name] = Change(removed=rows) if gone else Change(added=rows)
    return Difference(one.name, other.name, tuple(_schema_changes(before, after)), dict(sorted(tables.items())))


def _check_comparable(one: Release, other: Release) -> None:
    if one.profile != other.profile:
        raise UsageError(f"a release of profile {one.profile} cannot be compared with one of profile {other.profile}")
    keys = one.parameters.get("key_id"), other.parameters.get("key_id")
    if keys[0] != keys[1]:
        raise UsageError(
            "the pseudonyms of these releases were made with different keys, so that rows cannot be compared: build"
            " releases with --key project to compare them"
        )


def _schema_changes(before: dict[str, Resource], after: dict[str, Resource]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield f"table {name} is gone"
        elif name not in before:
            yield f"table {name} is new"
        else:
            yield from _column_changes(name, before[name], after[name])


def _column_changes(name: str, before: Resource, after: Resource) -> Iterator[str]:
    old = {one.name: one for one in before.fields}
    new = {one.name: one for one in after.fields}
    yield from (f"column {name}.{column} is gone" for column in old if column not in new)
    yield from (f"column {name}.{column} is new" for column in new if column not in old)
    for column in old.keys() & new.keys():
        if old[column].type is not new[column].type:
            yield f"column {name}.{column} was {old[column].type} and is {new[column].type}"
    if before.primary_key != after.primary_key:
        yield f"the key of {name} was ({', '.join(before.primary_key)}) and is ({', '.join(after.primary_key)})"


def _compare(older: Path, before: Resource, newer: Path, after: Resource) -> Change:
    old, new = best_file(before, after), best_file(after, before)
    if old is None or new is None:
        raise Unreadable("the releases have no format in common")
    stamps = check_intact(older, old), check_intact(newer, new)
    types = {one.name: one.type for one in before.fields}
    common = [one.name for one in after.fields if types.get(one.name) is one.type]
    if not before.primary_key or not set(before.primary_key) <= set(common):
        raise Unreadable("it has no key of the same type in both")
    change = Change()
    left = _Rows(batches(older, before, old, stamp=stamps[0]), before.primary_key)
    right = _Rows(batches(newer, after, new, stamp=stamps[1]), after.primary_key)
    while not (left.is_empty and right.is_empty):
        # All rows up to this key have been read on both sides.
        bound = min(rows.last for rows in (left, right) if not rows.is_empty)
        _count(change, left.take_to(bound), right.take_to(bound), before.primary_key, common)
    return change


class _Rows:
    """Batches in the order of their key, of which some rows have been taken."""

    def __init__(self, source: Iterator[pa.RecordBatch], key: tuple[str, ...]) -> None:
        self._source = source
        self._key = key
        self._before: tuple[Any, ...] | None = None
        self._batch: pa.RecordBatch | None = None
        self._advance()

    def _advance(self) -> None:
        self._batch = next((batch for batch in self._source if batch.num_rows), None)
        if self._batch is not None:
            is_late = self._before is not None and self._key_at(0) <= self._before
            if is_late or any(disorder(self._batch, self._key)):
                raise Unreadable("rows are not sorted by the key")
            self._before = self.last

    def _key_at(self, row: int) -> tuple[Any, ...]:
        assert self._batch is not None
        return tuple(self._batch.column(name)[row].as_py() for name in self._key)

    @property
    def is_empty(self) -> bool:
        return self._batch is None

    @property
    def last(self) -> tuple[Any, ...]:
        assert self._batch is not None
        return self._key_at(self._batch.num_rows - 1)

    def take_to(self, bound: tuple[Any, ...]) -> pa.RecordBatch | None:
        """Return the rows of the current batch whose key is not above the bound."""
        if self._batch is None:
            return None
        count = bisect_right(range(self._batch.num_rows), bound, key=self._key_at)
        taken, rest = self._batch.slice(0, count), self._batch.slice(count)
        if rest.num_rows:
            self._batch = rest
        else:
            self._advance()
        return taken


def _count(
    change: Change, old: pa.RecordBatch | None, new: pa.RecordBatch | None, key: tuple[str, ...], columns: list[str]
) -> None:
    if old is None or new is None:
        change.added += 0 if new is None else new.num_rows
        change.removed += 0 if old is None else old.num_rows
        return
    places = pc.index_in(joined(new, key), value_set=joined(old, key))
    matched = new.num_rows - places.null_count
    change.added += places.null_count
    change.removed += old.num_rows - matched
    now = new.filter(places.is_valid())
    was = old.take(places.drop_null())
    differs = pa.array([False] * matched, pa.bool_())
    for name in columns:
        if name not in key:
            unlike = _unlike(was.column(name), now.column(name))
            times = pc.sum(unlike).as_py() or 0
            if times:
                change.columns[name] = change.columns.get(name, 0) + times
            differs = pc.or_(differs, unlike)
    changed = pc.sum(differs).as_py() or 0
    change.changed += changed
    change.unchanged += matched - changed


def _unlike(one: pa.Array, other: pa.Array) -> pa.BooleanArray:
    """Return a mask of the values that differ; null equals null."""
    differ = pc.fill_null(pc.not_equal(one, other), fill_value=False)
    return pc.or_(differ, pc.xor(one.is_null(), other.is_null()))
