"""The pipe by which a child process ends with its parent, even if native code hangs in the child."""

import fcntl
import os


def die_with_parent(lifeline: int) -> None:
    """Have the kernel end this process when the parent's end of the pipe `lifeline` closes.

    PR_SET_PDEATHSIG would fire when the *thread* that started us ends, and a watching thread would not run while native
    code holds the interpreter's lock. SIGIO ends a process by default.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
