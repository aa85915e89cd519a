"""Begin the waves of a panel, whose units are visited again in each wave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from harvester.errors import UsageError
from harvester.sampling.designs import ALONE, TABLES, Unit, add_strata, add_units, erased, open_entities, open_in_turn
from harvester.sampling.drawing import SMALLEST, Stratum, draw
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from harvester.erasure.rule import Rule
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "panels")


def start_wave(connection: Connection, design: int, rule: Rule | None = None) -> None:
    """Begin the next wave of a panel: store the outcomes of the present one, and make all units due again.

    The next group of a rotating panel is replaced by ids of the same stratum that were never drawn. Ids that are newer
    than the last draw become a stratum of their own, with the sampling fraction of the first one, so that the panel
    represents the present frame. A panel that does not rotate keeps its units and its frame.
    """
    with connection.transaction():
        row = connection.execute(_SQL["panel"], [design]).fetchone()
        if row is None:
            raise UsageError(f"design {design} is no panel, or was cancelled: see `harvester seed sample list`")
        kind, depth, parameters = row
        ends = connection.execute("SELECT max(wave) FROM crawl.waves WHERE design_id = %s", [design]).fetchone()
        assert ends is not None
        wave = ends[0] + 1
        connection.execute(_SQL["store_wave"], [design, ends[0]])
        new = _rotate(connection, design, kind, parameters, wave) if "groups" in parameters else []
        connection.execute("INSERT INTO crawl.waves (design_id, wave) VALUES (%s, %s)", [design, wave])
        kept, hits = _keep(connection, design, kind, rule)
        begin = connection.execute("SELECT max(position) + 1 FROM crawl.draws WHERE design_id = %s", [design])
        add_units(connection, design, kind, new, rule, (begin.fetchone() or (0,))[0])
        open_in_turn(connection, kind, depth, [*kept, *new], rule)
        if depth > ALONE:
            open_entities(connection, [f"{kind}_comments"], hits, depth)
        connection.execute(
            "UPDATE crawl.designs SET parameters = parameters || %s WHERE id = %s",
            [Jsonb({"up_to": parameters["up_to"]}), design],
        )


def _keep(connection: Connection, design: int, kind: str, rule: Rule | None) -> tuple[list[Unit], list[int]]:
    """Clear the outcomes of the units that stay; return these units in the order of the draw, and the hits."""
    rows = connection.execute(_SQL["units"], [design]).fetchall()
    kept = [Unit(*row[:4]) for row in rows]
    hidden = erased(kind, kept, rule)
    hits = [entity for entity, *_, outcome in rows if outcome == "hit" and entity not in hidden]
    connection.execute(_SQL["record_known"], {"hidden": list(hidden), "design": design})
    # Failures of the last wave do not count in this one.
    connection.execute(
        "UPDATE crawl.frontier SET failures = 0 WHERE stream = ANY(%s) AND entity_id = ANY(%s) AND failures > 0",
        [[kind, f"{kind}_comments"], [one.entity for one in kept]],
    )
    return kept, hits


def _rotate(connection: Connection, design: int, kind: str, parameters: dict[str, Any], wave: int) -> list[Unit]:
    """Replace the next group of a panel; return the new units, with those of ids that are newer than the frame."""
    group = (wave - 1) % parameters["groups"]
    drawn: dict[str, set[int]] = {}
    outgoing: dict[str, int] = {}
    for stratum, entity, goes in connection.execute(
        "SELECT stratum, entity_id, replaced_at IS NULL AND panel_group = %s FROM crawl.draws WHERE design_id = %s",
        [group, design],
    ):
        drawn.setdefault(stratum, set()).add(entity)
        outgoing[stratum] = outgoing.get(stratum, 0) + goes
    strata = {
        name: Stratum(name, first, last)
        for name, first, last in connection.execute(
            "SELECT stratum, first_id, last_id FROM crawl.strata WHERE design_id = %s ORDER BY first_id", [design]
        )
    }
    probabilities: dict[str, float] = dict(
        connection.execute(
            "SELECT stratum, max(inclusion_probability) FROM crawl.draws WHERE design_id = %s GROUP BY 1", [design]
        ).fetchall()
    )
    units: list[Unit] = []
    for name, stratum in strata.items():
        left = stratum.size - len(drawn[name])
        if left < outgoing[name]:
            raise UsageError(f"design {design}: no more than {left} of stratum {name} were never drawn")
        chosen = draw(int(parameters["seed"]) + wave, stratum, outgoing[name], drawn[name])
        units += [Unit(each, name, probabilities[name], group) for each in chosen]
    connection.execute(_SQL["replace_group"], [design, group])
    return units + _newcomers(connection, design, kind, parameters, wave)


def _newcomers(connection: Connection, design: int, kind: str, parameters: dict[str, Any], wave: int) -> list[Unit]:
    """Draw units from the ids that are newer than the frame; none if the frame was given, or too few ids are newer."""
    if parameters["frame"] == "given":
        return []
    row = connection.execute(f"SELECT max(id) FROM scratch.{TABLES[kind]}").fetchone()
    newest = (row and row[0]) or 0
    dense = connection.execute(
        "SELECT max(inclusion_probability) FROM crawl.draws WHERE design_id = %s AND stratum = 'all'", [design]
    ).fetchone()
    assert dense is not None
    stratum = Stratum(f"wave {wave}", parameters["up_to"] + 1, newest)
    # Fewer than two draws have no variance: such ids wait for the next rotation.
    count = round(dense[0] * stratum.size)
    if count < SMALLEST:
        return []
    parameters["up_to"] = newest
    add_strata(connection, design, [(stratum.name, stratum.first, stratum.last, stratum.size)])
    chosen = draw(int(parameters["seed"]), stratum, count)
    return [Unit(each, stratum.name, count / stratum.size, n % parameters["groups"]) for n, each in enumerate(chosen)]
