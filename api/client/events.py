"""Reader of the server-sent events of a job."""

import json
from collections.abc import Iterator

from .types import Job, read


class Events:
    """Takes the lines of a stream one by one."""

    def __init__(self) -> None:
        """Begin before the first line."""
        self._event = ""

    def job(self, line: str) -> Iterator[Job]:
        """Yield the job that a line completes, if it does."""
        name, _, value = line.partition(":")
        if name == "event":
            self._event = value.strip()
        elif name == "data" and self._event == "job":
            yield read(Job, json.loads(value))
