"""From features to a generation in the graph: parents, children, inter-instance edges (section 4.2)."""

from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from graph import generations, videos
from graph.errors import InvalidInput
from graph.generation_writer import write_generation
from graph.linking.features import load_features
from graph.linking.parameters import LinkParameters
from graph.linking.run import link as link_features
from graph.linking.twins import find_twins
from graph.records import Patch, Progress
from workers.workplace import Workplace

_PAGE = 10_000


def link(place: Workplace, arguments: dict[str, Any], progress: Progress) -> str:
    """Link all ready videos by the features that `prepare_link` made; returns the generation's id.

    Linking the same videos by the same features and parameters again returns the generation that is there.
    """
    parameters = link_parameters(arguments)
    model = str(arguments["features"])
    ready = videos.ready_video_ids(place.connection)
    known = same_generation(place, model, ready, parameters)
    if known:
        return known
    patches = [patch for video in ready for patch in _starts(place, video)]
    if not patches:
        raise InvalidInput("There are no patches to link. Ingest videos in which something moves.")
    scratch = place.settings.home.absolute() / "scratch"
    features, ordered = load_features(place.shards, model, patches, scratch=scratch, progress=progress)
    twins = find_twins(place.shards, ready, progress)
    linking = link_features(features, ordered, parameters, twins=twins, scratch=scratch, progress=progress)
    # videos without a track teach and test nothing: keeping one of those out would keep out nothing
    held_out = generations.held_out_videos(linking.video_ids, twins)
    return write_generation(place.connection, linking, model, held_out, videos=ready, progress=progress)


def link_parameters(arguments: dict[str, Any]) -> LinkParameters:
    """Read linking's numbers from a job's arguments; those not named are the rule's or the paper's."""
    names = {field.name for field in fields(LinkParameters)}
    return LinkParameters(**{name: value for name, value in arguments.items() if name in names})


def same_generation(place: Workplace, model: str, ready: list[str], parameters: LinkParameters) -> str:
    """Return the current generation when it was made of just this, else ""."""
    current = generations.current_generation(place.connection)
    if current is None:
        return ""
    found = generations.get_generation(place.connection, current)
    asked = asdict(parameters.resolve(found.patches))
    same = asked == dict(found.parameters) and found.feature_model == model and list(found.videos) == ready
    return current if same else ""


def _starts(place: Workplace, video: str) -> Iterator[Patch]:
    after = ""
    while page := videos.list_patches(place.connection, video, after, _PAGE):
        yield from (patch for patch in page if patch.role == "start")
        after = page[-1].id
