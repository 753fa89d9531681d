"""Schedule of a parallel test run (`pytest -n 2`): which tests stay together, and which groups start first."""

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

SHARED_HOME = "tests/integration/commands/"  # the tests of this folder share a home that takes a minute to make
LONGEST = "tests/integration/"


class FileScheduling(LoadScopeScheduling):
    """Run a file in one process, and so the folder whose files share a home. Each process has servers of its own."""

    def _split_scope(self, nodeid: str) -> str:
        return SHARED_HOME if nodeid.startswith(SHARED_HOME) else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FileScheduling:
    """Replace the schedule of `--dist`."""
    return FileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the longest files to the front, so that no process waits for one at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
