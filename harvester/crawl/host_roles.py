"""Keep the role of host in the members of studios as the studios' own pages show it.

A list of managers or curators names no host: who of its users is host is known from the studio's page, which may be
read before the list, while the list is read, or after it.
"""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from harvester.api.rows import member_role
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from harvester.api.rows import Rows, Visit
    from harvester.frontier.model import PageCommit
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "host_roles")
_MEMBERS = "studio_members"


def of_now(connection: Connection, pages: Sequence[PageCommit]) -> list[PageCommit]:
    """Return pages whose members have the roles that follow from the present host of the studio.

    The host that a visit was given may have left since. A page counts for those after it.
    """
    listed = {page.lease.visit.entity_id for page in pages if any(map(_has_roles, page.rows))}
    if not listed:
        return list(pages)
    hosts: dict[int, Any] = dict(connection.execute(_SQL["read_hosts"], {"studios": list(listed)}).fetchall())
    kept = []
    for page in pages:
        visit = replace(page.lease.visit, host_id=hosts.get(page.lease.visit.entity_id))
        kept.append(replace(page, rows=[_with_roles(rows, visit) if _has_roles(rows) else rows for rows in page.rows]))
        hosts.update(shown_hosts(page.rows))
    return kept


def _has_roles(rows: Rows) -> bool:
    return rows.table == _MEMBERS and "role" in rows.columns


def _with_roles(rows: Rows, visit: Visit) -> Rows:
    user, role = rows.columns.index("user_id"), rows.columns.index("role")
    values = [(*row[:role], member_role(row[user], visit), *row[role + 1 :]) for row in rows.values]
    return rows if values == rows.values else replace(rows, values=values)


def shown_hosts(pages: Iterable[Rows]) -> Iterator[tuple[int, Any]]:
    """Yield the id and the host of each studio that rows show with its present host."""
    for rows in pages:
        if rows.table == "studios" and "host_id" in rows.columns and not rows.weak:
            yield from map(itemgetter(rows.columns.index("id"), rows.columns.index("host_id")), rows.values)


def correct(connection: Connection, pages: Sequence[PageCommit], changed: Iterable[int]) -> None:
    """Give the role of host to the member whom the studio's own page shows as host, and to nobody else.

    Former hosts become managers; the roles that end are kept in the history.

    Args:
        connection: To the warehouse, in the transaction that has stored the pages.
        pages: The pages.
        changed: The studios of which they have changed something.
    """
    listed = {page.lease.visit.entity_id for page in pages if page.lease.visit.stream.name == "studio_managers"}
    studios = sorted(listed.union(changed))
    if studios:
        at = _last_shown(pages)
        connection.execute(_SQL["set_host_roles"], {"studios": studios, "at": [at.get(one) for one in studios]})


def _last_shown(pages: Iterable[PageCommit]) -> dict[int, datetime]:
    """Return by studio the time of the last page that is of its managers or shows it, where pages have moments."""
    at: dict[int, datetime] = {}
    for page in pages:
        if page.at is None:
            continue
        shown = [row[rows.columns.index("id")] for rows in page.rows if rows.table == "studios" for row in rows.values]
        at |= dict.fromkeys([*shown, page.lease.visit.entity_id], page.at)
    return at
