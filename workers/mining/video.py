"""Mining of one video: patches, their pixels, intra-instance edges, and a report of the omissions.

    Clip (decode) → windows of track_length + 1 frames → gates → boxes → tracks (many at once) → patches

Windows are mined in blocks, so memory does not grow with the length of the video. Sections 4.1 and 4.3.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import ceil
from pathlib import Path

import cv2
import numpy as np

from graph.records import IntraInstance, Patch, Progress, Role, Video, no_progress, patch_id
from workers.mining.boxes import Area, place_boxes
from workers.mining.cuts import CutFinder
from workers.mining.decode import Clip, Frame
from workers.mining.gates import picture_area, screen_reason, still_reason
from workers.mining.pixels import correlation, cut_out, jpeg, sized_for_context
from workers.mining.recipe import Limits, Mining
from workers.mining.report import described
from workers.mining.scene import watch
from workers.mining.segments import MinedVideo, cut_into_segments, joined
from workers.mining.survey import Segment
from workers.mining.timeline import TOO_SHORT, Window, describe_window, own_pixels
from workers.mining.tracks import Candidate, Track, looked_at, track_all
from workers.mining.windows import Ends, Seen

_BLOCK = 16  # windows tracked together


def video_id(path: Path) -> str:
    """Name a video by the BLAKE2b hash of its bytes: 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def mine(
    path: Path,
    limits: Limits | None = None,
    progress: Progress = no_progress,
    recipe: Mining | None = None,
    watch: Callable[[Seen], None] | None = None,
) -> MinedVideo:
    """Mine one video in this process, segment after segment; `watch` receives every window.

    A video without motion is not an error; it has no patches.

    Raises:
        BadVideo: the file is not a video that can be mined; the text says why.
    """
    limits, recipe = limits or Limits(), recipe or Mining()
    segments = cut_into_segments(path, limits, progress, recipe)
    identifier = video_id(path)
    parts = [mine_segment(path, limits, progress, recipe, segment, identifier, watch) for segment in segments]
    return joined(parts, recipe)


def mine_segment(
    path: Path,
    limits: Limits,
    progress: Progress,
    recipe: Mining,
    segment: Segment,
    identifier: str,
    watch: Callable[[Seen], None] | None = None,
) -> MinedVideo:
    """Mine one segment of the video that is called `identifier`; a segment may be too short for any track."""
    cv2.setNumThreads(1)
    with Clip(path, limits, recipe, segment=segment, progress=progress) as clip:
        progress("mine", segment.first, max(clip.expected, segment.first), "frames")
        work = _Work(clip, identifier, recipe, watch)
        shot: list[Frame] = []
        for frame in clip.frames(progress):
            work.keep_for_context(frame)
            if work.starts_shot(frame):
                work.mine_shot(shot, ended=True)
                shot = []
                if frame.begins_shot == "size":
                    work.area = None  # letterbox bars differ between shots
            _append(shot, frame, recipe)
            if len(shot) == _BLOCK * recipe.stride + recipe.lengths[-1]:
                progress("mine", frame.index + 1, max(clip.expected, frame.index + 1), "frames")
                work.mine_shot(shot, ended=False)
                shot = shot[_BLOCK * recipe.stride :]
        work.mine_shot(shot, ended=True)
        done = segment.first + clip.decoded
        progress("mine", done, done if segment.ends is None else max(clip.expected, done), "frames")
        return work.result()


def _append(shot: list[Frame], frame: Frame, recipe: Mining) -> None:
    """Add a frame to its shot, and keep pictures only of frames that may become a window's first or last."""
    place, stride = len(shot), recipe.stride
    shot.append(frame if place % recipe.step == 0 else frame.without_picture())
    passed = place - recipe.track_length - recipe.step  # the last window of the shot begins later than this
    if passed >= 0 and passed % stride and all((passed - length) % stride for length in recipe.lengths):
        shot[passed] = shot[passed].without_picture()


@dataclass
class _Work:
    """One video being mined."""

    clip: Clip
    id: str
    recipe: Mining
    watch: Callable[[Seen], None] | None
    taken: int = 0
    area: Area | None = None
    last_time: float = 0.0
    windows: int = 0
    letterboxed: int = 0  # windows with bars trimmed
    refused: Counter[str] = field(default_factory=Counter)
    refused_tracks: Counter[str] = field(default_factory=Counter)
    cuts: int = 0
    patches: list[Patch] = field(default_factory=list)
    jpegs: list[bytes] = field(default_factory=list)
    tracks: list[IntraInstance] = field(default_factory=list)
    timeline: list[Window] = field(default_factory=list)
    roles: dict[str, Role] = field(default_factory=dict)  # of the patches, by id
    context: list[tuple[int, bytes]] = field(default_factory=list)
    next_context: int = 0  # index of the next whole frame that is kept
    finder: CutFinder = field(default_factory=CutFinder)

    def starts_shot(self, frame: Frame) -> bool:
        """Return whether a shot ends before this frame: a cut, damage, a jump of time, or another picture size."""
        cut = self.finder.broke(frame.luma) or frame.begins_shot != ""
        self.cuts += cut
        self.taken += 1
        self.last_time = frame.time_s
        return cut

    def keep_for_context(self, frame: Frame) -> None:
        """Keep a few whole frames, spread over the video, for the context-prediction network."""
        seconds = self.clip.expected / self.clip.fps
        apart = max(self.recipe.frame_seconds, seconds / self.recipe.most_frames)
        if self.taken == 0:
            self.next_context = max(0, ceil((frame.time_s - 0.5 / self.clip.fps) / apart))
        if self.next_context < self.recipe.most_frames and frame.time_s >= self.next_context * apart:
            self.context.append((frame.index, jpeg(sized_for_context(frame.colour(), frame.view.pixel_aspect))))
            self.next_context += 1

    def mine_shot(self, frames: list[Frame], ended: bool) -> None:
        """Mine the windows of a piece of one shot; if it `ended`, the last window ends with its last frame."""
        recipe = self.recipe
        length, step = recipe.track_length, recipe.step
        starts = list(range(0, len(frames) - (length if ended else recipe.lengths[-1]), recipe.stride))
        if ended and not starts:
            if frames:
                self.refused[TOO_SHORT] += 1
                self.timeline.append(describe_window(self.id, frames, TOO_SHORT, [], recipe))
            return
        last = (len(frames) - 1 - length) // step * step
        if ended and last - starts[-1] >= recipe.stride // 2:
            starts.append(last)
        if self.area is None:
            self.area = picture_area([f.luma for f in frames[:: max(1, len(frames) // 12)]])
        lumas = [frame.luma for frame in frames]
        reasons = {
            s: still_reason(lumas[s : s + length + 1 : step], recipe) or screen_reason(lumas[s], self.area)
            for s in starts
        }
        scene = watch(lumas, recipe) if not all(reasons.values()) else None
        candidates: dict[int, list[Candidate]] = {s: [] for s in starts}
        for s in starts:
            if scene is None or reasons[s]:
                continue
            boxes = place_boxes(scene.seed(s // step), self.area, recipe)
            reach = max(reach for reach in recipe.lengths if s + reach < len(frames))
            followed = [lumas[s + k] for k in looked_at(reach, recipe)]
            candidates[s] = [Candidate(followed, s // step, box, self.area) for box in boxes]
            reasons[s] = "" if boxes else "nothing moves on its own"
        every = [c for found in candidates.values() for c in found]
        tracks = iter(track_all(every, scene, recipe) if scene is not None else [])
        for s in starts:
            ends = [Ends(frames[s], frames[s + length]) for length in recipe.lengths if s + length < len(frames)]
            judged = [self._keep(ends, next(tracks)) for _ in candidates[s]]
            self.refused.update([reasons[s]] if reasons[s] else [])
            self.refused_tracks.update(found[0] for found in judged if isinstance(found[0], str))
            self.timeline.append(describe_window(self.id, frames[s:], reasons[s], judged, recipe))
            if self.watch:
                self.watch(Seen(ends, scene, s // step, reasons[s], [c.box for c in candidates[s]], judged))
        self.windows += len(starts)
        height, width = lumas[0].shape
        self.letterboxed += len(starts) if self.area != Area(0, 0, width, height) else 0

    def _keep(self, ends: Sequence[Ends], tracks: Sequence[Track | str]) -> list[Track | str]:
        """Keep the tracks of one start, the shortest first; return each, or the reason why it was refused."""
        kept: list[Track | str] = []
        for pair, track in zip(ends, tracks, strict=False):
            first = not any(isinstance(earlier, Track) for earlier in kept)
            kept.append(track if isinstance(track, str) else self._keep_one(pair, track, first))
        return kept

    def _keep_one(self, ends: Ends, track: Track, first: bool) -> Track | str:
        """Cut both patches of a track out in colour, and keep the pair unless it is one picture twice.

        The start is a new patch for the `first` track of its start only.
        """
        track = self._apart_from_ends(ends.first, track)
        boxes = own_pixels(ends.first, track.crop), own_pixels(ends.last, track.end_crop)
        pixels = [cut_out(picture, box, self.recipe.patch) for picture, box in zip(ends.colours, boxes, strict=True)]
        likeness = correlation(*pixels)
        same = likeness >= self.recipe.same_picture
        if same and not self.recipe.keep_same:
            return "same picture"
        frames = ends.first, ends.last
        roles: list[Role] = ["start", "end"]
        ids = [patch_id(self.id, f.index, *box) for f, box in zip(frames, boxes, strict=True)]
        new = slice(0 if first else 1, 2)
        if set(ids[new]) & self.roles.keys():
            return "same box twice"
        for frame, box, name, role, cut in list(zip(frames, boxes, ids, roles, pixels, strict=True))[new]:
            self.patches.append(Patch(name, self.id, frame.index, frame.time_s, *box, role))
            self.jpegs.append(jpeg(cut))
            self.roles[name] = role
        trust = {**track.trust, "first_last_correlation": likeness, "same_picture": float(same)}
        trust = {name: round(value, 4) for name, value in trust.items()}
        confidence = float(np.clip(track.confidence, 0, 1))
        length = ends.last.index - ends.first.index
        self.tracks.append(IntraInstance(ids[0], ids[1], length, round(confidence, 4), trust))
        return track

    def _apart_from_ends(self, frame: Frame, track: Track) -> Track:
        """Move the first crop by a pixel if an earlier track ends in exactly this box, because a patch has one role."""
        x, *rest = own_pixels(frame, track.crop)
        if self.roles.get(patch_id(self.id, frame.index, x, *rest)) != "end":
            return track
        across, _ = frame.scales
        return replace(track, crop=((x - 1 if x else x + 1) * across, *track.crop[1:]))

    def result(self) -> MinedVideo:
        """Collect what was found."""
        clip = self.clip
        video = Video(
            id=self.id,
            name=clip.path.name,
            fps=float(f"{clip.fps:.6g}"),  # a rate far below 1 keeps its digits
            width=clip.width,
            height=clip.height,
            frames=clip.decoded,
            duration_s=round(self._duration(), 3),
        )
        report = {
            "fps": float(f"{clip.fps:.6g}"),
            "frames": clip.decoded,
            "taken": self.taken,
            "every": clip.every,
            "windows": self.windows,
            "letterboxed_windows": self.letterboxed,
            "refused_windows": dict(sorted(self.refused.items())),
            "refused_tracks": dict(sorted(self.refused_tracks.items())),
            "tracks": len(self.tracks),
            "trusted_tracks": sum(track.confidence >= self.recipe.trusted for track in self.tracks),
            "cuts": self.cuts,
            "streams_left_out": clip.left_out,
            **clip.tally.facts(),
        }
        return MinedVideo(video, self.patches, self.jpegs, self.tracks, self.context, described(report), self.timeline)

    def _duration(self) -> float:
        """Return the time of the last frame's end, in seconds, with the duration that the container gives for it."""
        clip = self.clip
        counted = (clip.segment.first + clip.decoded) / clip.fps
        return max(self.last_time, min(counted, clip.duration) if clip.duration > self.last_time else counted)
