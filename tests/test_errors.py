"""The documentation of exceptions."""

import ast
from pathlib import Path

from harvester import errors

PACKAGE = Path(errors.__file__).parent
BASES = {"HarvesterError", "Stop", "Retry", "SetAside"}


def test_every_exception_is_documented():
    """Each exception below `HarvesterError` stands in the table of `harvester.errors`."""
    classes = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    found = set(BASES)
    while more := {name for name, bases in classes.items() if bases & found} - found:
        found |= more
    assert len(found) > len(BASES) + 5
    assert [name for name in sorted(found - BASES) if f"`{name}`" not in str(errors.__doc__)] == []
