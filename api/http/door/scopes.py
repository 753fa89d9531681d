"""The scope that a request needs, by its method and path. A route that is not listed needs `admin`."""

import re

from api.keys import Scope

# no key is needed: health probes, the login form, and the form's styles and scripts
OPEN = re.compile(r"/(healthz|readyz|login|logout|browse/static/[\w.-]+|favicon\.ico)")
_SEARCH = re.compile(r"/(embeddings|embeddings/lookup|similar|search(/.*)?)")  # POST because of their bodies
_INGEST = re.compile(r"/(videos|embeddings/jobs|models/[^/]+/map|uploads(/.*)?)")


def needed_scope(method: str, path: str) -> Scope:
    """Return the least scope for a request."""
    if method in ("GET", "HEAD", "OPTIONS") or (method == "POST" and _SEARCH.fullmatch(path)):
        return Scope.READ
    if _INGEST.fullmatch(path) and (method == "POST" or path.startswith("/uploads")):
        return Scope.INGEST
    return Scope.ADMIN
