"""Scrapy as its tutorials show it: an item a row, and a pipeline that merges each item into a session and commits it.

Scrapy's own settings, but for the log, which would have a line for each request and row.
"""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import scrapy
from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.http import Response
from sqlalchemy import BigInteger, ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

LIMIT = 40


class Base(DeclarativeBase):
    type_annotation_map = {int: BigInteger}  # noqa: RUF012  (SQLAlchemy's way)


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str]
    joined_at: Mapped[datetime]
    scratch_team: Mapped[bool]
    country: Mapped[str | None]
    status: Mapped[str | None]
    bio: Mapped[str | None]


class Project(Base):
    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    title: Mapped[str]
    description: Mapped[str | None]
    instructions: Mapped[str | None]
    public: Mapped[bool]
    created_at: Mapped[datetime]
    modified_at: Mapped[datetime]
    shared_at: Mapped[datetime]
    views: Mapped[int]
    loves: Mapped[int]
    favorites: Mapped[int]
    remixes: Mapped[int]
    parent_id: Mapped[int | None]
    root_id: Mapped[int | None]


class Comment(Base):
    __tablename__ = "comments"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), index=True)
    parent_id: Mapped[int | None]
    author_id: Mapped[int] = mapped_column(index=True)
    author_name: Mapped[str]
    commentee_id: Mapped[int | None]
    content: Mapped[str]
    created_at: Mapped[datetime]
    modified_at: Mapped[datetime]
    visibility: Mapped[str]
    reply_count: Mapped[int]


class DatabasePipeline:
    """Commit each row in its own transaction."""

    def __init__(self, url: str) -> None:
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        self.session = sessionmaker(engine)()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler.settings["DATABASE"])

    def process_item(self, item: dict[str, Any]) -> dict[str, Any]:
        row = item["row"]
        try:
            self.session.merge(row)
            self.session.commit()
        except Exception:
            self.session.rollback()
            raise
        return item

    def close_spider(self) -> None:
        self.session.close()


class CommunitySpider(scrapy.Spider):
    name = "community"
    names: tuple[str, ...] = ()
    url = ""

    async def start(self) -> AsyncIterator[Any]:
        for name in self.names:
            yield scrapy.Request(f"{self.url}/users/{name}", self.parse_user)

    def parse_user(self, response: Response) -> Iterator[Any]:
        user = json.loads(response.body)
        profile = user["profile"]
        yield {
            "row": User(
                id=user["id"],
                username=user["username"],
                joined_at=user["history"]["joined"],
                scratch_team=user["scratchteam"],
                country=profile["country"],
                status=profile["status"],
                bio=profile["bio"],
            )
        }
        yield self.list_request(f"/users/{user['username']}/projects", self.parse_projects, {"name": user["username"]})

    def list_request(self, path: str, parse: Any, known: dict[str, Any], offset: int = 0) -> scrapy.Request:
        return scrapy.Request(
            f"{self.url}{path}?limit={LIMIT}&offset={offset}",
            parse,
            cb_kwargs=known | {"path": path, "offset": offset},
        )

    def parse_projects(self, response: Response, name: str, path: str, offset: int) -> Iterator[Any]:
        projects = json.loads(response.body)
        for one in projects:
            yield scrapy.Request(f"{self.url}/projects/{one['id']}", self.parse_project, cb_kwargs={"name": name})
        if len(projects) == LIMIT:
            yield self.list_request(path, self.parse_projects, {"name": name}, offset + LIMIT)

    def parse_project(self, response: Response, name: str) -> Iterator[Any]:
        one = json.loads(response.body)
        history, stats, remix = one["history"], one["stats"], one["remix"]
        yield {
            "row": Project(
                id=one["id"],
                author_id=one["author"]["id"],
                title=one["title"],
                description=one["description"],
                instructions=one["instructions"],
                public=one["public"],
                created_at=history["created"],
                modified_at=history["modified"],
                shared_at=history["shared"],
                views=stats["views"],
                loves=stats["loves"],
                favorites=stats["favorites"],
                remixes=stats["remixes"],
                parent_id=remix["parent"],
                root_id=remix["root"],
            )
        }
        known = {"project": one["id"]}
        yield self.list_request(f"/users/{name}/projects/{one['id']}/comments", self.parse_comments, known)

    def parse_comments(self, response: Response, project: int, path: str, offset: int) -> Iterator[Any]:
        comments = json.loads(response.body)
        for one in comments:
            yield {
                "row": Comment(
                    id=one["id"],
                    project_id=project,
                    parent_id=one["parent_id"],
                    author_id=one["author"]["id"],
                    author_name=one["author"]["username"],
                    commentee_id=one["commentee_id"],
                    content=one["content"],
                    created_at=one["datetime_created"],
                    modified_at=one["datetime_modified"],
                    visibility=one["visibility"],
                    reply_count=one["reply_count"],
                )
            }
            if one["reply_count"]:
                yield self.list_request(f"{path}/{one['id']}/replies", self.parse_comments, {"project": project})
        if len(comments) == LIMIT:
            yield self.list_request(path, self.parse_comments, {"project": project}, offset + LIMIT)


def main() -> None:
    url, database, names = sys.argv[1:]
    settings = {
        "ITEM_PIPELINES": {DatabasePipeline: 300},
        "DATABASE": database.replace("postgresql://", "postgresql+psycopg://", 1),
        "LOG_LEVEL": "WARNING",
        "LOG_FORMATTER": "scrapy.logformatter.LogFormatter",
        "TELNETCONSOLE_ENABLED": False,
    }
    process = AsyncCrawlerProcess(settings)
    process.crawl(CommunitySpider, names=tuple(Path(names).read_text().split()), url=url)
    process.start()


if __name__ == "__main__":
    main()
