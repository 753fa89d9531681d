"""From features to a generation in the graph: parents, children, inter-instance edges (section 4.2)."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, fields
from hashlib import blake2b
from typing import Any

from graph import generations, videos
from graph.centroids import FOLDER as CENTROIDS
from graph.centroids import forget_centroids, has_centroids, write_centroids
from graph.errors import InvalidInput, Unavailable
from graph.generation_writer import write_generation
from graph.linking.parameters import LinkParameters
from graph.linking.parts import RUNS, Run
from graph.linking.run import link_vectors
from graph.linking.spread import Spread
from graph.linking.starts import PART_ROWS, Starts
from graph.linking.twins import find_twins
from graph.lock import Lock, exclusive
from graph.records import Progress
from graph.track_starts import read_starts
from workers import queue
from workers.stages.arithmetic import arithmetic
from workers.stages.join import join
from workers.workplace import Workplace

_log = logging.getLogger(__name__)


def link(place: Workplace, arguments: dict[str, Any], progress: Progress) -> str:
    """Link all ready videos by the features that `prepare_link` made; returns the generation's id.

    Linking the same videos by the same features and parameters again returns the generation that is there. A run that
    was killed is taken up where it stood; one that failed or was cancelled leaves nothing. Raises `Conflict` while
    another linking runs. With `join`, the videos that came since join the current generation instead.
    """
    if arguments.get("join"):
        return join(place, progress)
    parameters = link_parameters(arguments)
    model = str(arguments["features"])
    with exclusive(place.connection, generations.LINKING) as lock:
        ready = videos.ready_video_ids(place.connection)
        known = same_generation(place, model, ready, parameters)
        if known:
            return known
        twins = find_twins(place.shards, ready, progress)
        starts = read_starts(place.connection, ready, twins)
        if not len(starts):
            raise InvalidInput("There are no patches to link. Ingest videos in which something moves.")
        run = begin_run(place, model, starts, parameters.resolve(len(starts)))
        try:
            generation = _link_starts(place, run, starts, ready, twins, lock, progress)
        except Unavailable:  # the job comes back: what is computed is not computed again
            raise
        except BaseException:
            run.remove()
            raise
        run.remove()
        return generation


def _link_starts(
    place: Workplace,
    run: Run,
    starts: Starts,
    ready: list[str],
    twins: Mapping[str, str],
    lock: Lock,
    progress: Progress,
) -> str:
    scratch = place.settings.home.absolute() / "scratch"

    def offer(run_id: str, kind: str, count: int) -> None:
        try:
            queue.offer_parts(place.redis_url, run_id, kind, count)
        except Unavailable as error:
            _log.warning("nobody can be asked to help with linking: %s", error)

    linking = link_vectors(starts, run.parameters, Spread(run, starts, offer, scratch, progress), run.assign, progress)
    # videos without a track teach and test nothing: keeping one of those out would keep out nothing
    held_out = generations.held_out_videos(linking.video_ids, twins)
    generation = write_generation(
        place.connection, linking, run.model, held_out, videos=ready, lock=lock, progress=progress
    )
    write_centroids(place.shards, generation, linking)
    return generation


def begin_run(place: Workplace, model: str, starts: Starts, parameters: LinkParameters) -> Run:
    """Open the run for just this, and clear away what other ones left behind; the caller holds the linking lock."""
    stamps = place.shards.versions(f"features/{model}")
    content = json.dumps([model, asdict(parameters), starts.digest(), PART_ROWS, sorted(stamps.items())])
    name = blake2b(content.encode(), digest_size=8).hexdigest()
    for other in place.shards.folders(RUNS):
        if other != name:
            place.shards.delete_folder(f"{RUNS}/{other}")
    there = {known.id for known in generations.list_generations(place.connection)}
    for gone in set(place.shards.names(CENTROIDS)) - there:
        forget_centroids(place.shards, gone)
    run = Run(place.shards, name, model, parameters, *arithmetic(place.settings.device, len(starts)))
    run.begin()
    return run


def link_parameters(arguments: dict[str, Any]) -> LinkParameters:
    """Read linking's numbers from a job's arguments; those not named are the rule's or the paper's."""
    names = {field.name for field in fields(LinkParameters)}
    return LinkParameters(**{name: value for name, value in arguments.items() if name in names})


def same_generation(place: Workplace, model: str, ready: list[str], parameters: LinkParameters) -> str:
    """Return the current generation when it was made of just this, and from the ground up, else ""."""
    current = generations.current_generation(place.connection)
    if current is None or not has_centroids(place.shards, current):
        return ""
    found = generations.get_generation(place.connection, current)
    asked = asdict(parameters.resolve(found.patches))
    same = asked == dict(found.parameters) and found.feature_model == model and list(found.videos) == ready
    return current if same and not found.joined else ""
