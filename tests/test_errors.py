"""The documentation of exceptions."""

import ast
from pathlib import Path

from harvester import errors

PACKAGE = Path(errors.__file__).parent
BASES = {"Exception", "HarvesterError", "Stop", "Retry", "SetAside"}


def test_every_exception_is_documented():
    """Each exception that another module can see stands in `harvester.errors`; the sandbox has its own."""
    classes = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for path in PACKAGE.rglob("*.py")
        if "sandbox" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    found = set(BASES)
    while more := {name for name, bases in classes.items() if bases & found} - found:
        found |= more
    assert len(found) > len(BASES) + 5
    assert [name for name in sorted(found - BASES) if f"`{name}`" not in str(errors.__doc__)] == []
