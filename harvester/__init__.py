"""Harvest the public Scratch API into PostgreSQL."""


def __getattr__(name: str) -> str:
    """`__version__`, as the installed metadata has it: looked up when asked for, since that takes a while."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version  # noqa: PLC0415

    return version("scratch-harvester")
