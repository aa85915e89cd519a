"""The command `harvester`, and `python -m harvester`: the same."""

import sys

from harvester.signals import INTERRUPTED, end_at_once, keep_status, raise_interrupt

end_at_once()
keep_status()


def main() -> None:
    """Run the command of this process's arguments, and exit with its status."""
    from harvester.cli.main import app  # noqa: PLC0415  (a signal that comes while it is imported finds its handler)

    raise_interrupt()
    try:
        app(prog_name="harvester")
    except KeyboardInterrupt:  # while it reported how it ended
        sys.exit(INTERRUPTED)
    finally:
        end_at_once()


if __name__ == "__main__":
    main()
