"""Deinterlacing of pictures that are flagged as interlaced, by FFmpeg's bwdif filter: one picture out for each in."""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Generic, TypeVar

from av.filter import Graph
from av.video.frame import VideoFrame

Tag = TypeVar("Tag")


class Deinterlacer(Generic[Tag]):
    """Deinterlacer of tagged pictures; pictures before the first interlaced one are passed on unchanged.

    The filter reads the previous and the next picture, so it returns each picture one later. `flush` ends a shot.
    """

    def __init__(self) -> None:
        """Start without a filter, which progressive videos never need."""
        self.flagged = 0  # pictures that were interlaced
        self._graph: Graph | None = None
        self._tags: deque[Tag] = deque()

    def push(self, picture: VideoFrame, tag: Tag) -> Iterator[tuple[VideoFrame, Tag]]:
        """Take one picture; yield those that are ready."""
        interlaced = picture.interlaced_frame
        if self._graph is None and not interlaced:
            yield picture, tag
            return
        self.flagged += interlaced
        if self._graph is None:
            self._graph = _graph(picture)
        self._tags.append(tag)
        self._graph.vpush(picture)
        yield from self._ready(self._graph)

    def flush(self) -> Iterator[tuple[VideoFrame, Tag]]:
        """Yield what the filter still holds, and begin again."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready(self._graph)
            self._graph = None
            self._tags.clear()

    def _ready(self, graph: Graph) -> Iterator[tuple[VideoFrame, Tag]]:
        while self._tags:
            try:
                picture = graph.vpull()
            except (BlockingIOError, EOFError):
                return
            yield picture, self._tags.popleft()


def _graph(picture: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=picture.time_base or Fraction(1, 25),
    )
    source.link_to(filtering := graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"))
    filtering.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
