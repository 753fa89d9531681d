"""Answers of bytes with an entity tag: conditional requests (304) and one byte range (206, 416). RFC 9110."""

import re
from hashlib import blake2b

from fastapi import Request, Response

_ONE_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


def tagged_bytes(request: Request, content: bytes, media_type: str, cache: str) -> Response:
    """Answer with `content`: 304 where the client has it, 206 for a byte range, 416 for one beyond its end.

    Several ranges in one header, and a range whose `If-Range` names another version, are answered with all of it.
    """
    tag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": cache, "Accept-Ranges": "bytes"}
    known = request.headers.get("if-none-match")
    if known is not None and (known.strip() == "*" or tag in known):
        return Response(status_code=304, headers=headers)
    asked = _ONE_RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or asked[0] == "bytes=-" or request.headers.get("if-range", tag) != tag:
        return Response(content, media_type=media_type, headers=headers)
    first, last = asked[1], asked[2]
    size = len(content)
    begin = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if begin >= end:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    return Response(content[begin:end], 206, media_type=media_type, headers=headers)
