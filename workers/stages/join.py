"""The join stage: makes a generation in which new videos join the parents of the current one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph import videos
from graph.generations import catalogue
from graph.generations.catalogue import Generation
from graph.generations.centroids import Centroids, read_centroids, write_centroids
from graph.generations.reader import children_of_parent, members_of
from graph.generations.track_starts import read_track_starts
from graph.generations.withheld import Withheld, read_withheld, withheld_of
from graph.generations.writer import write_generation
from graph.linking.children import count_pairs, together, within, without_pairs
from graph.linking.join import assign_new, recompute_children
from graph.linking.parameters import stored_parameters
from graph.linking.quality import quality_report
from graph.linking.reencodings import find_reencodings
from graph.linking.run import Linking, rejected_rows
from graph.linking.track_starts import TrackStarts
from graph.lock import graph_lock
from graph.records import Progress
from workers.stage_context import StageContext
from workers.stages.arithmetic import arithmetic


@dataclass(frozen=True, slots=True)
class _Old:
    """The current generation's parents of all N track starts that exist now."""

    parents: NDArray[np.int32]  # (N,) parent of each start, -1 for none
    shrunk: set[int]  # parents that have lost members


def join(context: StageContext, progress: Progress) -> str:
    """Join the videos that are not in the current generation to its parents; returns the new generation's id.

    A video that was deleted and ingested again is joined as a new one, but keeps its role (held out or not).
    Pairs and tracks whose rejection or mark was withdrawn since then are linked again within their parents. If no video
    was added or deleted and nothing was judged, the current generation's id is returned. Raises `NotFound` before the
    first linking or if the centroids are missing, and `Conflict` while another linking is running.
    """
    with graph_lock(context.connection, catalogue.LINKING) as lock:
        old = catalogue.require_generation(context.connection)
        ready = videos.ready_video_ids(context.connection)
        withheld = read_withheld(context.connection)
        if old.links_all_of(ready) and withheld.digest == old.feedback:
            return old.id
        centroids = read_centroids(context.shards, old.id)
        reencodings = find_reencodings(context.shards, ready, progress)
        starts = read_track_starts(context.connection, ready, reencodings, context.settings.least_confidence)
        linking = _join(context, old, starts, centroids, withheld, progress)
        held_out = _held_out(old, starts, reencodings)
        generation = write_generation(
            context.connection,
            linking,
            old.feature_model,
            held_out,
            videos=ready,
            joined=old.id,
            withheld=withheld,
            lock=lock,
            progress=progress,
        )
        write_centroids(context.shards, generation, linking)
        return generation


def _join(
    context: StageContext,
    old: Generation,
    starts: TrackStarts,
    centroids: Centroids,
    withheld: Withheld,
    progress: Progress,
) -> Linking:
    assign, search = arithmetic(context.settings.device, len(starts))
    parameters = stored_parameters(old.parameters)
    row_of = {patch: row for row, patch in enumerate(starts.ids)}
    known = _read_old(context, old, row_of, progress)
    labels = known.parents
    withdrawn = _withdrawn(context, old, withheld, starts, labels)
    before = old.present
    new = np.array(
        [row for row, video in enumerate(starts.videos) if video not in before or row in withdrawn.starts], np.int64
    )
    labels[new] = assign_new(
        context.shards,
        old.feature_model,
        starts,
        new,
        centroids.mean,
        centroids.vectors,
        centroids.numbers,
        assign,
        progress,
    )
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.searchsorted(labels[order], np.arange(old.parents + 1)))[1:-1]
    touched = np.concatenate([new, withdrawn.paired])
    changed = sorted(known.shrunk | (set(labels[touched].tolist()) - {-1}))
    recomputed = recompute_children(
        context.shards,
        old.feature_model,
        starts,
        [members[parent] for parent in changed],
        centroids.mean,
        parameters,
        search,
        progress,
    )
    found = dict(zip(changed, recomputed, strict=True))
    for parent in range(old.parents):
        if parent not in found:
            found[parent] = children_of_parent(context.connection, old, parent, row_of, parameters.group)
    found_again = together((found[parent] for parent in range(old.parents)), parameters.group)
    refused = rejected_rows(starts, withheld.pairs)
    every = without_pairs(found_again, len(starts), refused)
    ceiling = float(old.quality.get("distance_ceiling", 2.0))  # 2, the maximum: older generations have no ceiling
    all_found = within(every, len(starts), ceiling)
    dropped = np.zeros(int(old.quality["dropped_parents"]), np.int64)
    # the distance across parents and the objective keep their old values, because the old vectors are not read
    quality = quality_report(starts, labels, dropped, all_found, float(old.quality["distance_across"]))
    quality |= {name: old.quality[name] for name in ("empty_parents", "objective")} | {"distance_ceiling": ceiling}
    quality["rejected_before"] = count_pairs(found_again, ceiling, len(starts), refused)
    return Linking(
        starts,
        labels,
        np.array([len(rows) for rows in members], np.int64),
        centroids.mean,
        centroids.vectors,
        centroids.numbers,
        all_found.groups,
        all_found.pairs,
        all_found.distances,
        parameters,
        quality,
    )


def _read_old(context: StageContext, old: Generation, row_of: Mapping[str, int], progress: Progress) -> _Old:
    labels = np.full(len(row_of), -1, np.int32)
    shrunk = set()
    for parent in range(old.parents):
        progress("reading parents", parent, old.parents, "parents")
        size, ids = members_of(context.connection, old, parent)
        rows = [
            row_of[patch] for patch in ids if patch in row_of
        ]  # without those that were marked as no object since then
        labels[rows] = parent
        if len(rows) != size:
            shrunk.add(parent)
    return _Old(labels, shrunk)


@dataclass(frozen=True, slots=True)
class _Withdrawn:
    """The rows of the starts whose feedback was withdrawn since the old generation was made."""

    starts: set[int]  # rows of starts that are no longer marked as no object, and so have no parent
    paired: NDArray[np.int64]  # rows of pairs that are no longer rejected


def _withdrawn(
    context: StageContext, old: Generation, now: Withheld, starts: TrackStarts, labels: NDArray[np.int32]
) -> _Withdrawn:
    """Compare the present feedback with that of the old generation, whose parents are `labels` (N,)."""
    then = withheld_of(context.connection, old.id)
    if then is None:  # an earlier version stored only a digest, so every start may be concerned
        return _Withdrawn(set(np.flatnonzero(labels < 0).tolist()), np.flatnonzero(labels >= 0))
    marked = set(then.starts) - set(now.starts)
    freed = set(then.pairs) - set(now.pairs)
    return _Withdrawn(
        {row for row, patch in enumerate(starts.ids) if patch in marked}, rejected_rows(starts, freed).ravel()
    )


def _held_out(old: Generation, starts: TrackStarts, reencodings: Mapping[str, str]) -> list[str]:
    """Return the held-out videos: old videos and their re-encodings keep their role, new videos are chosen as usual."""
    before, kept = set(old.videos), set(old.held_out)
    now = set(starts.videos)
    role = {reencodings.get(video, video): video in kept for video in sorted(before & now)}
    chosen = set(catalogue.held_out_videos(starts.videos, reencodings))
    return sorted(
        video
        for video in now
        if (video in kept if video in before else role.get(reencodings.get(video, video), video in chosen))
    )
