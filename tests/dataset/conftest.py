"""A harvested community as datasets of each profile, built once, with the truth that it equals; and a small release
made up by hand, to describe, verify and compare."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from made_up_release import make_release, rows
from worded_source import store_source, worded_source

from harvester.config import load
from harvester.dataset.build import Request, build
from harvester.dataset.pseudonyms import key_of
from harvester.dataset.release import Profile
from harvester.secret import secret_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from harvester.config import Settings
    from harvester.dataset.release import Release


@dataclass
class Builder:
    """Builds of one warehouse under one secret key, in a folder of the test's own."""

    database: str
    folder: Path
    home: Path
    releases: dict[str, Release] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return load(database_url=self.database, home=self.home)

    def __call__(self, name: str, profile: Profile = Profile.OPEN, /, **options: Any) -> Release:
        on_progress = options.pop("on_progress", lambda _: None)
        request = Request(self.folder / name, profile, is_allowed=profile is Profile.INTERNAL, **options)
        self.releases[name] = build(self.settings, request, on_progress)
        return self.releases[name]

    def pseudonyms(self, name: str, kind: str, values: Iterable[Any]) -> set[str]:
        """The names that things have in a release."""
        key = key_of(secret_key(self.home), self.releases[name])
        return {key.one(kind, value).hex() for value in values}

    def rows(self, name: str, table: str) -> list[dict[str, Any]]:
        import pyarrow.parquet as pq

        found: list[dict[str, Any]] = pq.read_table(self.folder / name / f"data/{table}.parquet").to_pylist()
        return found


@pytest.fixture
def builder(harvest: Any, tmp_path: Path) -> Builder:
    """Builds of a harvested warehouse that the test may change."""
    return Builder(harvest.harvester.database, tmp_path, tmp_path / "home")


@pytest.fixture
def builder_of(tmp_path: Path) -> Callable[[str], Builder]:
    """Make builds of a database."""
    return lambda database: Builder(database, tmp_path, tmp_path / "home")


@pytest.fixture(scope="session")
def built(embedded_server: Any, _harvested: tuple[Any, str], harvester_of: Callable[..., Any]) -> Iterator[Builder]:
    """Releases of the harvested warehouse, one of each profile, that no test changes; with sources, held in files."""
    sandbox, template = _harvested
    database = embedded_server.create(template)
    harvester = harvester_of(database, sandbox)
    with tempfile.TemporaryDirectory(prefix="harvester-test-") as place:
        sources = {"SOURCES": "1", "PROJECTS_URL": sandbox.url, "SOURCES_DIR": f"{place}/sources"}
        harvester.environment |= {f"HARVESTER_{name}": value for name, value in sources.items()}
        harvester.crawl()
        damaged = "SELECT project_id FROM source.projects WHERE outcome = 'damaged' ORDER BY 1 LIMIT 1"
        store_source(database, harvester.query(damaged)[0][0], worded_source())
        harvester("source", "analyse")
        builder = Builder(database, Path(place), Path(place) / "home")
        for profile in Profile:
            builder(str(profile), profile)
        yield builder
    embedded_server.drop(database)


@pytest.fixture
def builder_with_sources(embedded_server: Any, built: Builder, tmp_path: Path) -> Iterator[Builder]:
    """Builds of a harvested warehouse with sources that the test may change."""
    database = embedded_server.create(psycopg.conninfo.conninfo_to_dict(built.database)["dbname"])
    yield Builder(database, tmp_path, tmp_path / "home")
    embedded_server.drop(database)


@pytest.fixture(scope="session")
def truth(_harvested: tuple[Any, str]) -> Callable[[str], list[dict[str, Any]]]:
    """The rows of a table as the sandbox states them."""
    sandbox, _ = _harvested
    known: dict[str, list[dict[str, Any]]] = {}

    def rows(table: str) -> list[dict[str, Any]]:
        if table not in known:
            known[table] = sandbox.truth(table)
        return known[table]

    return rows


@pytest.fixture
def tables() -> dict[str, list[dict]]:
    return rows()


@pytest.fixture
def release_folder(tmp_path, tables) -> Path:
    folder = tmp_path / "release"
    make_release(folder, tables)
    return folder
