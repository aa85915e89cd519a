"""`python -m harvester.sandbox`: the sandbox without the rest of the harvester."""

from __future__ import annotations

import argparse
import sys

from harvester.sandbox.server import serve


def main() -> int:
    """Serve until interrupted. Returns the exit status."""
    description = "A local stand-in for the Scratch API."
    parser = argparse.ArgumentParser(prog="python -m harvester.sandbox", description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--churn", type=float, default=0.0, metavar="EVENTS/S")
    parser.add_argument("--faults", default="", metavar="NAME=PROBABILITY,...")
    parser.add_argument("--odd", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--dense", action="store_true")
    options = parser.parse_args()
    try:
        serve(**vars(options))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1 if isinstance(error, OSError) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
