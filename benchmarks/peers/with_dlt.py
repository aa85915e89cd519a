"""dlt: its `rest_api` source, merged by key into PostgreSQL.

Resources are `parallelized`, which its documentation recommends for requests. Replies are requested of comments that
have some, as by the other programs: `answered` passes these on."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
from dlt.destinations import postgres
from dlt.extract import DltResource
from dlt.sources.rest_api import rest_api_resources

LIMIT = 40
DATASET = "community"


@dlt.source
def community(url: str, names: list[str]) -> Iterator[DltResource]:
    """Users, their projects, each project, its comments, and their replies."""
    owners: dict[int, str] = {}

    def remember(project: dict[str, Any]) -> dict[str, Any]:
        owners[project["id"]] = project["author"]["username"]
        return project

    @dlt.resource(selected=False)
    def seeds() -> Iterator[list[dict[str, Any]]]:
        yield [{"username": name} for name in names]

    single = {"paginator": "single_page"}
    users = "users/{resources.seeds.username}"
    found = rest_api_resources(
        {
            **settings(url),
            "resources": [
                seeds(),
                {"name": "users", "endpoint": {"path": users, **single}, "parallelized": True},
                {
                    "name": "listed_projects",
                    "endpoint": {"path": f"{users}/projects"},
                    "parallelized": True,
                    "selected": False,
                },
                {
                    "name": "projects",
                    "endpoint": {"path": "projects/{resources.listed_projects.id}", **single},
                    "processing_steps": [{"map": remember}],
                    "parallelized": True,
                },
                {
                    "name": "comments",
                    "endpoint": {
                        "path": "users/{resources.projects.author.username}/projects/{resources.projects.id}/comments"
                    },
                    "include_from_parent": ["id"],
                    "parallelized": True,
                },
            ],
        }
    )
    by_name = {resource.name: resource for resource in found}

    @dlt.transformer(data_from=by_name["comments"], selected=False)
    def answered(comments: list[dict[str, Any]] | dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        listed = comments if isinstance(comments, list) else [comments]
        yield [
            {"id": one["id"], "project": one["_projects_id"], "name": owners[one["_projects_id"]]}
            for one in listed
            if one["reply_count"]
        ]

    more = rest_api_resources(
        {
            **settings(url),
            "resources": [
                answered,
                {
                    "name": "replies",
                    "endpoint": {
                        "path": "users/{resources.answered.name}/projects/{resources.answered.project}"
                        "/comments/{resources.answered.id}/replies"
                    },
                    "include_from_parent": ["project"],
                    "parallelized": True,
                },
            ],
        }
    )
    yield from found
    yield from (resource for resource in more if resource.name not in by_name)


def settings(url: str) -> dict[str, Any]:
    return {
        "client": {
            "base_url": url,
            "paginator": {"type": "offset", "limit": LIMIT, "total_path": None, "stop_after_empty_page": True},
        },
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
    }


def main() -> None:
    url, database, names = sys.argv[1:]
    # dlt requires a password and a host, which a local socket has not; libpq uses the host of the query.
    database = database.replace("@/", ":-@localhost/")
    pipeline = dlt.pipeline(
        "community",
        pipelines_dir=str(Path(names).parent / "dlt"),
        destination=postgres(credentials=database),
        dataset_name=DATASET,
    )
    pipeline.run(community(url, Path(names).read_text().split()))


if __name__ == "__main__":
    main()
