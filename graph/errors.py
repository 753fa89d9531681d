"""The exceptions that users see; each message names the cause and the cure.

TransitiveError            exit 1, HTTP 500
├── InvalidInput           HTTP 422   the input cannot be used
│   └── BadVideo           HTTP 422   the file is not a video that can be mined
├── NotFound               HTTP 404   no such video, patch, job, model or generation
├── Conflict               HTTP 409   another run or the present state prevents this
├── Unavailable            HTTP 503   Neo4j, Redis or a worker does not answer; a retry may help
│   └── NoDevice           HTTP 503   a device, its memory or an optional package is missing; a retry does not help
├── StorageError           HTTP 507   the disk is full, or a shard is missing or truncated
└── Cancelled              HTTP 409   the job was cancelled
"""

from graph.printable import printable


class TransitiveError(Exception):
    """A failure whose message tells the user what happened and what to do about it."""

    def __str__(self) -> str:
        """Return the message as one line that can be stored and shown, whatever file name is in it."""
        return printable(super().__str__())


class InvalidInput(TransitiveError):
    """The input cannot be used."""


class BadVideo(InvalidInput):
    """The file is not a video that can be mined; the message becomes the video's `reason`."""


class NotFound(TransitiveError):
    """There is no such video, patch, job, model or generation."""


class Conflict(TransitiveError):
    """Another run or the present state prevents this."""


class Unavailable(TransitiveError):
    """Neo4j, Redis or a worker does not answer; a job that fails with this is retried."""


class NoDevice(Unavailable):
    """A device, its memory or an optional package is missing; a job that fails with this is not retried."""


class StorageError(TransitiveError):
    """The disk is full, or a shard is missing or truncated."""


class Cancelled(TransitiveError):
    """The job was cancelled."""
