"""The numbers of the advisory locks in a warehouse, all in one place: no two may be alike."""

MIGRATING = 0x5C7A7C8
"""Two processes that migrate at once take turns."""
ALIVE = 0x5C7A7C9
"""With the number of a run: held for as long as the run lives."""
IN_USE = 0x5C7A7CA
"""Lock that crawls share, and that a schema change or an erasure holds exclusively."""
FITTING = 0x5C7A7CB
"""One worker fits the priors, the others go on."""
MAINTAINING = 0x5C7A7CE
"""One maintenance at a time."""
REFRESHING = 0x5C7A7CC
"""One refresh of `analytics` at a time."""
VERIFYING = 0x5C7A7CF
"""One verification of a backup at a time."""
