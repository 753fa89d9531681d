"""Choice of a port that a test's server finds free again after a restart."""

import random

from graph.server.detached_process import free_port


def quiet_port() -> int:
    """Return a free port below the system's ephemeral ports, because a connection could take one of those."""
    return free_port("127.0.0.1", [random.randrange(20_000, 30_000)])
