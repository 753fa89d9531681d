"""The presets of training by name; a preset changes the scale of a recipe."""

from collections.abc import Callable
from dataclasses import replace

from training.recipe import STARTS, Recipe, Start


def paper(recipe: Recipe) -> Recipe:
    """Keep all of the paper's numbers."""
    return recipe


def h200(recipe: Recipe) -> Recipe:
    """Train the same number of pairs in larger batches; the rate grows with the batch's square root, after a warm-up.

    The square root keeps the noise of a step in proportion; it is a choice, not measured against the linear rule.
    """
    factor = 10
    if recipe.name == "contrast":
        return replace(
            with_start(recipe, "contrast"),
            contrast_pictures=512,
            learning_rate=0.002,
            iterations=4_000,
            warmup=200,
            held_out_every=500,
            needs_cuda=True,
        )
    if recipe.predict_context and not recipe.has_ranking_loss:
        # Right positions after 250 steps: 20.6 % with Adam at 0.0003, 17.9 % with Adam at 0.001, 14.8 % with SGD at
        # 0.0316, 14.0 % with SGD at 0.1 (patches of shared/data's training frames, one H200).
        recipe = replace(recipe, optimiser="adam", learning_rate=3e-4 / factor**0.5)
    return replace(
        with_start(recipe, "contrast"),
        batch_pairs=recipe.batch_pairs * factor,
        context_frames=recipe.context_frames * 2,
        contrast_pictures=recipe.contrast_pictures * factor,
        added_tracks=recipe.added_tracks * factor,
        learning_rate=recipe.learning_rate * factor**0.5,
        iterations=recipe.iterations // factor,
        warmup=500 if recipe.iterations else 0,
        held_out_every=500,
        needs_cuda=True,
        compile=True,
    )


def cpu_small(recipe: Recipe) -> Recipe:
    """Train a VGG16 of an eighth of the width, in minutes on two cores, with the same losses and pairs.

    A quarter of the width costs twice as much per image, and the number of images is the bottleneck.
    """
    if recipe.name == "contrast":  # 15 to 22 minutes
        return _narrow_contrast(recipe, width=0.125, pictures=192, rate=0.002, steps=1_600)
    return _narrow(recipe, width=0.125, steps=600, context_steps=1000)


def demo(recipe: Recipe) -> Recipe:
    """Train as `cpu_small` on a third of the steps: a minute or two on two cores."""
    if recipe.name == "contrast":
        return _narrow_contrast(recipe, width=0.125, pictures=96, rate=0.001, steps=400)
    return _narrow(recipe, width=0.125, steps=200, context_steps=300)


def with_start(recipe: Recipe, start: Start) -> Recipe:
    """Start from another stage 0, if the recipe starts from one."""
    return replace(recipe, initial=start) if recipe.initial in STARTS else recipe


def _narrow_contrast(recipe: Recipe, width: float, pictures: int, rate: float, steps: int) -> Recipe:
    return replace(
        recipe,
        trunk="vgg16-narrow",
        width=width,
        hidden=int(4096 * width),
        embedding=128,
        contrast_pictures=pictures,
        learning_rate=rate,
        iterations=steps,
        warmup=steps // 20,
        log_every=10,
        checkpoint_every=100,
        held_out_every=200,
    )


def _narrow(recipe: Recipe, width: float, steps: int, context_steps: int) -> Recipe:
    if recipe.initial == "imagenet":
        return recipe  # its weights fit the full width only
    iterations = context_steps if recipe.predict_context and not recipe.has_ranking_loss else steps
    info_nce = recipe.pair_loss == "info_nce"
    return replace(
        with_start(recipe, "contrast"),
        trunk="vgg16-narrow",
        width=width,
        hidden=int(4096 * width),
        embedding=128,
        context_hidden=256,
        context_frames=6 if not recipe.has_ranking_loss else 4,
        # Context prediction stays at chance for many steps; Adam adapts the rate of the layers without batch norm.
        optimiser="adam" if not recipe.has_ranking_loss or info_nce else "sgd",
        # Positions right after 1,200 steps on pictures held out of imagenette/train: 24.3 % at 0.003, 23.2 % at 0.001.
        learning_rate=0.001 if info_nce else 0.003 if not recipe.has_ranking_loss else 0.01,
        iterations=iterations if recipe.iterations else 0,
        warmup=20 if recipe.iterations else 0,
        decay="cosine",
        gradient_clip=0.0 if recipe.predict_context else 1.0,
        log_every=10,
        checkpoint_every=100,
        held_out_every=100,
    )


PRESETS: dict[str, Callable[[Recipe], Recipe]] = {"paper": paper, "h200": h200, "cpu-small": cpu_small, "demo": demo}
