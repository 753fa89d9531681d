"""Pages of generations: the list of linking runs, and one with its quality report and its largest hubs."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from api.http.pages.render import answer
from api.http.service import ServiceDep
from graph.generations import catalogue
from graph.queries.hubs import largest_hubs

router = APIRouter(include_in_schema=False)

# meanings of the numbers in the quality report; others are shown by their names
MEANINGS = {
    "patches": "tracks whose starts were compared",
    "videos": "videos of these tracks",
    "edges": "edges that linking made; rejecting some lowers the number above, not this one",
    "distance_ceiling": "child clusters with a larger distance were left out, so that only the linked share is linked",
    "objective": "of K-means: mean 1 − cosine of a start and the centre of its parent",
    "purity_by_video": "share of patches that belong to the commonest video of their parent; low is good",
    "edges_inside_one_video": "share of edges whose ends are of one video; low is good",
    "singletons": "share of tracks without any edge",
    "distance_inside": "mean 1 − cosine of linked pairs",
    "distance_across": "mean 1 − cosine of random pairs of two parents, the negatives of training",
    "edges_per_patch": "edges for each track",
    "children_per_linked_patch": "child clusters that a linked track is in, on average",
    "dropped_patches": "tracks whose cluster was too small",
    "twin_videos": "videos that re-encode another one",
    "children_over_the_cap": "child clusters left out, because a member is in enough tighter ones",
    "rejected_before": "edges that people had rejected and clustering found again; they were not made",
    "rejected_since": "edges that people rejected since then",
    "rejected_share": "share of both among all edges that were found",
}


@router.get("/browse/generations")
def show_generations(shared: ServiceDep) -> Response:
    """Show the linking runs, newest first."""
    found = catalogue.list_generations(shared.connection)
    return answer("generations.html", generations=found[::-1], unlinked=catalogue.unlinked_videos(shared.connection))


@router.get("/browse/generations/{generation_id}")
def show_generation(generation_id: Annotated[str, Path(max_length=200)], shared: ServiceDep) -> Response:
    """Show one linking run."""
    generation = catalogue.get_generation(shared.connection, generation_id)
    return answer(
        "generation.html",
        generation=generation,
        meanings=MEANINGS,
        hubs=largest_hubs(shared.connection, generation_id),
    )
