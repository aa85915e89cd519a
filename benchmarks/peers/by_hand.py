"""The ceiling: aiohttp, untyped JSON, everything in memory and one COPY a table at the end.

No keys, no checkpoints, no rate limit, no repeated requests: the least that a program has to do.
"""

import asyncio
import sys
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psycopg
import uvloop

AT_ONCE = 16
LIMIT = 40
TABLES = {
    "users": "id bigint, username text, joined_at timestamptz, scratch_team bool, country text, status text, bio text",
    "projects": "id bigint, author_id bigint, title text, description text, instructions text, public bool,"
    " created_at timestamptz, modified_at timestamptz, shared_at timestamptz, views bigint, loves bigint,"
    " favorites bigint, remixes bigint, parent_id bigint, root_id bigint",
    "comments": "id bigint, project_id bigint, parent_id bigint, author_id bigint, author_name text,"
    " commentee_id bigint, content text, created_at timestamptz, modified_at timestamptz, visibility text,"
    " reply_count bigint",
}
parse = msgspec.json.Decoder().decode


class Harvest:
    """Rows by table."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
        self._http = http
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, path: str) -> Any:
        async with self._turns, self._http.get(path) as answer:
            return parse(await answer.read()) if answer.status == 200 else []

    async def listed(self, path: str) -> list[Any]:
        found: list[Any] = []
        while True:
            page = await self.get(f"{path}?limit={LIMIT}&offset={len(found)}")
            found += page
            if len(page) < LIMIT:
                return found

    async def user(self, name: str) -> None:
        user = await self.get(f"/users/{name}")
        profile = user["profile"]
        self.rows["users"].append(
            (user["id"], user["username"], user["history"]["joined"], user["scratchteam"], profile["country"],
             profile["status"], profile["bio"])
        )  # fmt: skip
        projects = await self.listed(f"/users/{name}/projects")
        await together(self.project(name, one["id"]) for one in projects)

    async def project(self, name: str, number: int) -> None:
        one = await self.get(f"/projects/{number}")
        history, stats, remix = one["history"], one["stats"], one["remix"]
        self.rows["projects"].append(
            (one["id"], one["author"]["id"], one["title"], one["description"], one["instructions"], one["public"],
             history["created"], history["modified"], history["shared"], stats["views"], stats["loves"],
             stats["favorites"], stats["remixes"], remix["parent"], remix["root"])
        )  # fmt: skip
        comments = await self.listed(f"/users/{name}/projects/{number}/comments")
        self.keep(number, comments)
        await together(self.replies(name, number, one["id"]) for one in comments if one["reply_count"])

    async def replies(self, name: str, project: int, comment: int) -> None:
        self.keep(project, await self.listed(f"/users/{name}/projects/{project}/comments/{comment}/replies"))

    def keep(self, project: int, comments: list[Any]) -> None:
        self.rows["comments"] += [
            (one["id"], project, one["parent_id"], one["author"]["id"], one["author"]["username"], one["commentee_id"],
             one["content"], one["datetime_created"], one["datetime_modified"], one["visibility"], one["reply_count"])
            for one in comments
        ]  # fmt: skip


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*work)


async def harvest(url: str, names: list[str]) -> dict[str, list[tuple[Any, ...]]]:
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=AT_ONCE)) as http:
        found = Harvest(http)
        await together(found.user(name) for name in names)
        return found.rows


def main() -> None:
    url, database, names = sys.argv[1:]
    found = uvloop.run(harvest(url, Path(names).read_text().split()))
    with psycopg.connect(database) as connection:
        for table, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in found[table]:
                    copy.write_row(row)


if __name__ == "__main__":
    main()
