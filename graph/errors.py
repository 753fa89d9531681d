"""The exceptions that a user can meet; the text of each names the cause and the cure.

TransitiveError            exit 1, HTTP 500
├── InvalidInput           HTTP 422   what was given cannot be used
│   └── BadVideo           the file is no video this system can mine
├── NotFound               HTTP 404   no such video, patch, job, model or generation
├── Conflict               HTTP 409   another run is in the way, or a state does not allow this
├── Unavailable            HTTP 503   Neo4j, Redis or a worker is not there: trying again later may help
│   └── NoDevice           HTTP 503   the device, its memory or an optional package is not there: it will not help
├── StorageError           HTTP 507   disk full, a shard missing or cut short
└── Cancelled              HTTP 409   somebody asked the job to stop
"""


class TransitiveError(Exception):
    """A failure with a text for the user: what happened, and what to do about it."""


class InvalidInput(TransitiveError):
    """What was given cannot be used."""


class BadVideo(InvalidInput):
    """The file is no video this system can mine; the text is the video's `reason`."""


class NotFound(TransitiveError):
    """There is no such video, patch, job, model or generation."""


class Conflict(TransitiveError):
    """Another run is in the way, or the present state does not allow this."""


class Unavailable(TransitiveError):
    """Neo4j, Redis or a worker cannot be reached; a job that meets it is tried again."""


class NoDevice(Unavailable):
    """The device, its memory or an optional package is not there; a job that meets it has failed."""


class StorageError(TransitiveError):
    """The disk is full, or a shard is missing or cut short."""


class Cancelled(TransitiveError):
    """Somebody asked the job to stop, and it did."""
