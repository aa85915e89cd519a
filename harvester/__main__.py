"""The command `harvester`, and `python -m harvester`: the same."""

import gc
import sys

from harvester.signals import INTERRUPTED, end_at_once, keep_status, raise_interrupt

end_at_once()
keep_status()
# Default 700: what is imported stays, and the collector would look at it hundreds of times (0.2 s of 1.1 s of a start).
gc.set_threshold(50_000)


def main() -> None:
    """Run the command of this process's arguments, and exit with its status."""
    from harvester.cli.main import command  # noqa: PLC0415  (a signal that comes while it is imported finds its handler)

    raise_interrupt()
    try:
        command(prog_name="harvester")
    except KeyboardInterrupt:  # while it reported how it ended
        sys.exit(INTERRUPTED)
    finally:
        end_at_once()


if __name__ == "__main__":
    main()
