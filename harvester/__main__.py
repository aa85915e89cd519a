"""`python -m harvester` is `harvester`."""

from harvester.cli import app

app(prog_name="harvester")
