"""Checks that a source can train a recipe, made before the training starts."""

import numpy as np

from graph.errors import InvalidInput
from training.recipe import Recipe
from training.source import PatchTable, TrainingSource


def check_links(recipe: Recipe, source: TrainingSource) -> None:
    """Raise `InvalidInput` if the source's links or tracks are not of the kind that the recipe needs."""
    if not recipe.has_ranking_loss:
        return
    made_from = source.feature_model or "nothing"
    if recipe.links == "hog" and made_from != "hog":
        raise InvalidInput(
            f"Recipe {recipe.name!r} needs links made from HOG features; these were made from {made_from!r}. "
            "Run `transitive link --features hog` first."
        )
    if recipe.links != "hog" and made_from == "hog":
        raise InvalidInput(
            f"Recipe {recipe.name!r} needs links made from a network's features; these were made from HOG. "
            "Run `transitive link` first, or train transitive-hog."
        )
    # Tracks of videos above 40 frames a second are longer than 30: the frames skipped in mining count.
    if (recipe.track_length == 15) != (source.track_length == 15):
        raise InvalidInput(
            f"Recipe {recipe.name!r} needs tracks of {recipe.track_length} frames; these have {source.track_length}. "
            f"Mine the videos with `transitive ingest --track-length {recipe.track_length}` in another home "
            "(TRANSITIVE_HOME), and train there or from its pack."
        )


def check_learnable(table: PatchTable, recipe: Recipe) -> None:
    """Raise `InvalidInput` if no batch could hold a negative: one video or one parent cluster."""
    usable = ~table.held_out & (table.parent >= 0)
    if not usable.any():
        raise nothing_to_learn(recipe)
    if len(np.unique(table.parent[usable])) < 2:
        raise InvalidInput(
            "All linked patches lie in one parent cluster, so there are no negatives (section 5). "
            "Link again with more clusters or a lower minimum cluster size, or ingest more varied videos."
        )
    if len(np.unique(table.video[usable])) < 2:
        raise InvalidInput("All linked patches come from one video, so there are no negatives. Ingest more videos.")


def nothing_to_learn(recipe: Recipe) -> InvalidInput:
    """Return the error for a graph without the pairs that a recipe learns from."""
    what = "tracks in parent clusters" if recipe.positives == ("intra",) else "quadruples"
    return InvalidInput(
        f"The graph holds no {what} for recipe {recipe.name!r} outside the held-out videos. Ingest more videos, then "
        "run `transitive link`; its report says how many patches were clustered and linked."
    )
