"""A port for a server of the tests that it finds free again after a restart."""

import random

from graph.server.detached_process import free_port


def quiet_port() -> int:
    """Return a free port below those the system gives outgoing connections: any of them may take a stopped server's."""
    return free_port("127.0.0.1", [random.randrange(20_000, 30_000)])
