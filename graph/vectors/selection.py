"""The filter of a search for similar patches."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions on the patches that a search may find; the default permits every patch."""

    video: str = ""  # only patches of this video; "": of every video
    without_videos: frozenset[str] = frozenset()  # no patches of these
    without_patch: str = ""  # not this patch
    patches: frozenset[str] | None = None  # only these patches; None: no such limit
    hidden: frozenset[str] = frozenset()  # patches that no search finds, because they are marked as no object
