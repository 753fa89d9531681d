"""The link stage: parents, children and inter-instance edges from features (section 4.2)."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2b

from graph import videos
from graph.errors import InvalidInput, Unavailable
from graph.generations import catalogue
from graph.generations.centroids import FOLDER as CENTROIDS
from graph.generations.centroids import forget_centroids, has_centroids, write_centroids
from graph.generations.track_starts import read_track_starts
from graph.generations.withheld import Withheld, read_withheld
from graph.generations.writer import write_generation
from graph.linking.bounds import check_bounds
from graph.linking.parameters import LinkParameters
from graph.linking.parts import RUNS, Run
from graph.linking.reencodings import find_reencodings
from graph.linking.run import link_vectors
from graph.linking.spread import Spread
from graph.linking.track_starts import PART_ROWS, TrackStarts
from graph.lock import Lock, graph_lock
from graph.records import Progress
from workers import queue
from workers.requests import LinkRequest
from workers.stage_context import StageContext
from workers.stages.arithmetic import arithmetic
from workers.stages.join import join

_log = logging.getLogger(__name__)


def link(context: StageContext, request: LinkRequest, progress: Progress) -> str:
    """Link all ready videos by the features that `prepare_link` computed; returns the generation's id.

    With `request.join`, new videos join the current generation. If the current generation was made from the same
    videos, features and parameters, its id is returned. A killed run is resumed; a failed or cancelled run leaves
    nothing. Raises `Conflict` while another linking is running, and `InvalidInput` if there are no patches.
    """
    if request.join:
        return join(context, progress)
    parameters, model = request.parameters, request.features
    with graph_lock(context.connection, catalogue.LINKING) as lock:
        ready = videos.ready_video_ids(context.connection)
        withheld = read_withheld(context.connection)
        known = same_generation(context, model, ready, parameters, withheld.digest)
        if known:
            return known
        reencodings = find_reencodings(context.shards, ready, progress)
        starts = read_track_starts(context.connection, ready, reencodings, context.settings.least_confidence)
        if not len(starts):
            raise InvalidInput("There are no patches to link. Ingest videos with moving objects first.")
        resolved = parameters.resolve(len(starts))
        check_bounds(resolved, len(starts))
        run = begin_run(context, model, starts, resolved)
        try:
            generation = _link_starts(context, run, starts, ready, reencodings, withheld, lock, progress)
        except Unavailable:  # the job is retried and uses the finished parts
            raise
        except BaseException:
            run.remove()
            raise
        run.remove()
        return generation


def _link_starts(
    context: StageContext,
    run: Run,
    starts: TrackStarts,
    ready: list[str],
    reencodings: Mapping[str, str],
    withheld: Withheld,
    lock: Lock,
    progress: Progress,
) -> str:
    scratch = context.settings.home.absolute() / "scratch"

    def offer(run_id: str, kind: str, count: int) -> None:
        try:
            queue.offer_parts(context.redis_url, run_id, kind, count)
        except Unavailable as error:
            _log.warning("other machines cannot help with this linking: %s", error)

    vectors = Spread(run, starts, offer, scratch, progress)
    linking = link_vectors(starts, run.parameters, vectors, run.assign, progress, withheld.pairs)
    # only videos with tracks are chosen, because holding out a video without tracks has no effect
    held_out = catalogue.held_out_videos(linking.video_ids, reencodings)
    generation = write_generation(
        context.connection,
        linking,
        run.model,
        held_out,
        videos=ready,
        withheld=withheld,
        lock=lock,
        progress=progress,
    )
    write_centroids(context.shards, generation, linking)
    return generation


def begin_run(context: StageContext, model: str, starts: TrackStarts, parameters: LinkParameters) -> Run:
    """Create or resume the run of these inputs and delete the files of others; the caller holds the linking lock."""
    stamps = context.shards.versions(f"features/{model}")
    content = json.dumps([model, asdict(parameters), starts.digest(), PART_ROWS, sorted(stamps.items())])
    name = blake2b(content.encode(), digest_size=8).hexdigest()
    for other in context.shards.folders(RUNS):
        if other != name:
            context.shards.delete_folder(f"{RUNS}/{other}")
    there = {known.id for known in catalogue.list_generations(context.connection)}
    for gone in set(context.shards.names(CENTROIDS)) - there:
        forget_centroids(context.shards, gone)
    run = Run(context.shards, name, model, parameters, *arithmetic(context.settings.device, len(starts)))
    run.begin()
    return run


def same_generation(
    context: StageContext, model: str, ready: list[str], parameters: LinkParameters, feedback: str
) -> str:
    """Return the current generation's id if it was made from these inputs without joining, else ""."""
    current = catalogue.current_generation(context.connection)
    if current is None or not has_centroids(context.shards, current):
        return ""
    found = catalogue.get_generation(context.connection, current)
    asked = asdict(parameters.resolve(found.patches))
    same = asked == dict(found.parameters) and found.feature_model == model and found.links_all_of(ready)
    return current if same and found.feedback == feedback and not found.joined else ""
