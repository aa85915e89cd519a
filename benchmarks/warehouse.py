"""Make a warehouse for a benchmark: an embedded PostgreSQL with default settings."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harvester.warehouse import embedded, schema


@contextmanager
def new_warehouse() -> Iterator[tuple[Path, str]]:
    """Start a server and migrate its database; yield home and URL, and remove both afterwards."""
    with tempfile.TemporaryDirectory(prefix="harvester-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # as root, the server is another user
        url = embedded.up(home)
        try:
            schema.migrate(url)
            yield home, url
        finally:
            embedded.down(home)
