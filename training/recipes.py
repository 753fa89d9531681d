"""The recipes of training by name; a recipe states how it differs from the paper's (`transitive`)."""

from collections.abc import Callable
from dataclasses import replace

from graph.errors import InvalidInput
from training.presets import PRESETS, with_start
from training.recipe import STARTS, Recipe


def transitive() -> Recipe:
    """The paper's recipe: pairs from tracks and by transitivity, starting from the context network. Section 5."""
    return Recipe("transitive")


def context() -> Recipe:
    """Context prediction alone: the network that makes the links, and a baseline. Section 4.2, [9]."""
    return Recipe(
        "context",
        positives=(),
        predict_context=True,
        initial="xavier",
        learning_rate=0.01,  # ten times the paper's: most layers have batch norm
        decay="cosine",
        warmup=1000,
    )


def contrast() -> Recipe:
    """Instance discrimination alone: a start that is worth linking with. Chen et al. 2020; section 2 allows any two."""
    return Recipe(
        "contrast",
        positives=(),
        contrast_pictures=256,
        initial="xavier",
        optimiser="adam",
        learning_rate=0.001,
        decay="cosine",
        warmup=1000,
        iterations=20_000,
    )


def contrast_tracking() -> Recipe:
    """Pairs from tracks under InfoNCE, beside the contrast of pictures that keeps what the start has learned."""
    return replace(tracking(), name="contrast-tracking", pair_loss="info_nce", contrast_pictures=48)


def contrast_transitive() -> Recipe:
    """Pairs from tracks and by transitivity under InfoNCE, beside the contrast of pictures."""
    return replace(transitive(), name="contrast-transitive", pair_loss="info_nce", contrast_pictures=48)


def contrast_all_tracks() -> Recipe:
    """contrast-transitive whose graph images are half of quadruples and half of any tracks: most have no link."""
    return replace(contrast_transitive(), name="contrast-all-tracks", batch_pairs=50, added_tracks=20)


def tracking() -> Recipe:
    """Pairs from tracks only, with the same loss and start: the baseline [61] of table 1."""
    return replace(transitive(), name="tracking", positives=("intra",))


def inter() -> Recipe:
    """Pairs from links only (A-B). Not in the paper; it completes the ablation."""
    return replace(transitive(), name="inter", positives=("inter",))


def multitask() -> Recipe:
    """Context and tracking losses on shared convolutions, both in each mini-batch. Section 6.2, table 2."""
    return replace(tracking(), name="multitask", predict_context=True, context_frames=8)


def transitive_hog() -> Recipe:
    """The paper's recipe on links made from HOG features. Section 6.2, table 2."""
    return replace(transitive(), name="transitive-hog", links="hog")


def transitive_15() -> Recipe:
    """The paper's recipe on tracks of 15 frames. Section 6.2, table 2."""
    return replace(transitive(), name="transitive-15", track_length=15)


def constrained() -> Recipe:
    """The paper's recipe with the constraint D(A, A') < D(A, B') that it tried and left out. Section 5, end."""
    return replace(transitive(), name="constrained", constrained=True)


def scratch() -> Recipe:
    """No training: Xavier's random weights. Tables 1 to 5."""
    return replace(transitive(), name="scratch", positives=(), initial="xavier", iterations=0)


def imagenet() -> Recipe:
    """No training: torchvision's VGG16 of ImageNet with labels. Tables 1 to 5."""
    return replace(transitive(), name="imagenet", positives=(), initial="imagenet", embedding=0, iterations=0)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "context": context,
    "contrast": contrast,
    "transitive": transitive,
    "tracking": tracking,
    "inter": inter,
    "multitask": multitask,
    "transitive-hog": transitive_hog,
    "transitive-15": transitive_15,
    "constrained": constrained,
    "contrast-tracking": contrast_tracking,
    "contrast-transitive": contrast_transitive,
    "contrast-all-tracks": contrast_all_tracks,
    "scratch": scratch,
    "imagenet": imagenet,
}


def with_iterations(recipe: Recipe, iterations: int) -> Recipe:
    """Set the length of the schedule (0 keeps it); the warm-up takes a tenth of it at most."""
    if not iterations or not recipe.iterations:
        return recipe
    return replace(recipe, iterations=iterations, warmup=min(recipe.warmup, iterations // 10))


def get_recipe(name: str, preset: str = "paper", start: str = "") -> Recipe:
    """Build recipe `name` at `preset`; raises `InvalidInput` that lists the known names.

    `start` names the stage 0 that the recipe starts from, "context" or "contrast"; "": the preset's. The paper's is
    context, the other presets' contrast (docs/decisions/0307-contrast.md).
    """
    if name not in RECIPES:
        raise InvalidInput(f"Unknown recipe {name!r}. Recipes: {', '.join(RECIPES)}.")
    if preset not in PRESETS:
        raise InvalidInput(f"Unknown preset {preset!r}. Presets: {', '.join(PRESETS)}.")
    recipe = replace(PRESETS[preset](RECIPES[name]()), preset=preset)
    if start not in ("", *STARTS):
        raise InvalidInput(f"Unknown start {start!r}. Starts: {', '.join(STARTS)}.")
    return with_start(recipe, STARTS[start]) if start else recipe
