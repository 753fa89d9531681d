"""Schemathesis hooks: how the body of a resumable upload is sent."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def bytes_as_they_are(_: schemathesis.SerializationContext, value: object) -> bytes:
    """Return the bytes of a chunk."""
    return value if isinstance(value, bytes) else str(value).encode()
