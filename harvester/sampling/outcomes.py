"""Outcomes of draws, recorded with the first visit after the draw, in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

_DRAWN = ("project", "studio")
"""Streams of the things that are drawn by id, which are named like their kind."""

# A row of a thing that is not found was met elsewhere: it is gone, and not an id that nobody can see.
_NOTE = """
UPDATE crawl.draws d SET
    visited_at = now(),
    outcome = CASE
        WHEN v.gone THEN CASE WHEN t.is_public IS NULL THEN 'not found' ELSE 'gone' END
        WHEN t.is_public IS NULL THEN 'not found'
        WHEN t.is_public THEN 'hit'
        ELSE 'not public'
    END
FROM jsonb_to_recordset(%(visits)s) AS v (kind text, entity_id bigint, gone bool)
LEFT JOIN LATERAL (
    SELECT public IS NOT FALSE AND visibility IS DISTINCT FROM 'notvisible' AS is_public
    FROM scratch.projects p WHERE v.kind = 'project' AND p.id = v.entity_id
    UNION ALL
    SELECT public IS NOT FALSE AND visibility IS DISTINCT FROM 'notvisible'
    FROM scratch.studios s WHERE v.kind = 'studio' AND s.id = v.entity_id
) t ON true
WHERE d.entity_id = v.entity_id AND d.outcome IS NULL
    AND EXISTS (SELECT FROM crawl.designs g WHERE g.id = d.design_id AND g.kind = v.kind)
"""


def record_outcomes(connection: psycopg.Connection[Any], visits: Iterable[tuple[str, int, bool]]) -> None:
    """Record what visits (stream, entity, whether it was not found) mean for the draws that wait for them."""
    ended = [{"kind": stream, "entity_id": entity, "gone": gone} for stream, entity, gone in visits if stream in _DRAWN]
    if ended:
        connection.execute(_NOTE, {"visits": Jsonb(ended)})
