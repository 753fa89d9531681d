"""The recipes and presets of training, and the dataclass of all their numbers.

A recipe is a function that states how it differs from the paper's (`transitive`); a preset is a function that states
what it scales. Each number has the section of the paper that it comes from. "Caffe" marks a number that the paper
leaves open and that the authors' earlier code (ICCV 2015) takes from Caffe's defaults.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from graph.errors import InvalidInput

Positive = Literal["intra", "inter", "transitive"]
Start = Literal["context", "contrast"]
STARTS: dict[str, Start] = {"context": "context", "contrast": "contrast"}  # recipes of stage 0
Preset = Literal["paper", "h200", "cpu-small", "demo"]

_COMPILED_FROM = 1_000_000  # images; on fewer, compiling takes longer than it saves (docs/benchmarks/)

_CONTRAST = {
    *("contrast_pictures", "contrast_weight", "pair_loss", "temperature", "picture_side", "view_side", "view_area"),
    *("view_ratio", "view_recoloured", "view_colour", "view_hue", "view_grey"),
}


@dataclass(frozen=True)
class Recipe:
    """All numbers of a training: losses, pairs, network, schedule."""

    name: str
    preset: str = "paper"

    # What is learned
    positives: tuple[Positive, ...] = ("intra", "transitive")  # section 5: A-A', B-B' and A-B', A'-B, A'-B'
    intra_share: float = 2 / 9  # section 6: 2M pairs from tracks, 7M by transitivity
    predict_context: bool = False  # the 8-way relative position of Doersch et al. 2015
    constrained: bool = False  # section 5, end: also D(A, A') < D(A, B')
    constrained_margin: float = 0.0  # the paper gives none
    initial: Literal["context", "contrast", "xavier", "imagenet"] = "context"  # section 6: convs of [9], FC random
    links: Literal["network", "hog"] = "network"  # section 4.2; "hog" in section 6.2's ablation
    track_length: int = 30  # section 4.3; 15 in section 6.2's ablation

    # The network
    trunk: Literal["vgg16", "vgg16-narrow", "resnet50"] = "vgg16"  # section 5
    width: float = 1.0  # of vgg16-narrow: its layers have this share of VGG16's channels
    hidden: int = 4096  # section 5: first fully connected layer
    embedding: int = 1024  # section 5: second fully connected layer
    context_hidden: int = 4096  # Doersch: fc6, fc7, fc8

    # The ranking loss
    margin: float = 0.5  # section 5
    hard_after: float = 1.0  # share of the schedule with random negatives, then the hardest; 1: always random
    hard_negatives: int = 4  # ICCV 2015: the four hardest of the batch

    # Context prediction (Doersch et al. 2015 and its released code)
    patch: int = 96
    gap: int = 48
    jitter: int = 7
    least_pixels: int = 150_000
    most_pixels: int = 450_000
    shrunk_share: float = 1 / 3  # of the patches, shrunk to as little as `shrunk_to` squared and back
    shrunk_to: int = 10
    noise: float = 0.01  # standard deviation of the noise that replaces two colours, as a share of the third's
    context_frames: int = 32  # frames per mini-batch, each about nine patches

    # Contrasting instances (Chen et al. 2020): two augmented views of a picture against all others of the batch
    contrast_pictures: int = 0  # per mini-batch; 0: not part of the recipe
    contrast_weight: float = 1.0  # of its loss, where graph pairs are learned as well
    pair_loss: Literal["ranking", "info_nce"] = "ranking"  # of the graph's pairs; "ranking" is section 5's
    temperature: float = 0.2  # docs/decisions/0307-contrast.md
    picture_side: int = 128  # pixels of the square that views are cut from
    view_side: int = 64  # pixels of a view: 3.3 times the views of 96 pixels in the same time on two cores
    view_area: float = 0.15  # the smallest crop, as a share of the picture
    view_ratio: float = 4 / 3  # the widest crop's width to its height, and the tallest's height to its width
    view_recoloured: float = 0.8  # share of the views with other colours
    view_colour: float = 0.4  # random factor of brightness, contrast and saturation, either way
    view_hue: float = 0.1  # random turn of the hue, either way; 1 is a whole turn
    view_grey: float = 0.2  # share of the views in grey

    # The optimiser
    optimiser: Literal["sgd", "adam"] = "sgd"  # section 6 gives a rate and a batch: Caffe's SGD with momentum
    learning_rate: float = 0.001  # section 6
    momentum: float = 0.9  # Caffe
    weight_decay: float = 0.0005  # Caffe
    batch_pairs: int = 100  # section 6
    iterations: int = 200_000  # section 6
    warmup: int = 0  # iterations of linear rise
    decay: Literal["constant", "cosine"] = "constant"  # the paper names one rate
    gradient_clip: float = 0.0  # largest norm of the gradient; 0: no limit

    # Augmentation: the paper names none
    mirror: bool = False
    crop: int = 0  # pixels of random shift, either way
    colour: float = 0.0  # random factor of brightness and contrast, either way

    # Intervals and devices, which change no result
    log_every: int = 20
    checkpoint_every: int = 1000
    held_out_every: int = 2000
    needs_cuda: bool = False
    compile: bool = False  # if the schedule is long enough

    @property
    def has_ranking_loss(self) -> bool:
        """Whether the ranking loss of section 5 is part of the recipe."""
        return bool(self.positives)

    @property
    def is_stage_0(self) -> bool:
        """Whether the recipe trains a network that others start from and links are made with: context or contrast."""
        return not self.positives and (self.predict_context or self.contrast_pictures > 0)

    @property
    def is_ranking_only(self) -> bool:
        """Whether the ranking loss of section 5 is all that is learned."""
        contrasts = self.contrast_pictures > 0 or self.pair_loss == "info_nce"
        return self.has_ranking_loss and not self.predict_context and not contrasts

    @property
    def quadruples_per_step(self) -> int:
        """The number of quadruples (or tracks, or links) of a mini-batch of `batch_pairs` pairs."""
        return max(2, self.batch_pairs // self.pairs_per_quadruple)

    @property
    def pairs_per_quadruple(self) -> int:
        """The number of positive pairs of a quadruple; a single track or link is one pair."""
        if "transitive" in self.positives:
            return 3 + 2 * ("intra" in self.positives) + ("inter" in self.positives)
        return 1

    @property
    def images_per_step(self) -> int:
        """The number of images that one mini-batch encodes (context: about nine patches a frame)."""
        return self.ranked_per_step + self.context_frames * 9 * self.predict_context + 2 * self.contrast_pictures

    @property
    def ranked_per_step(self) -> int:
        """The number of images that one mini-batch ranks at most; quadruples that share patches have fewer."""
        if not self.has_ranking_loss:
            return 0
        return self.quadruples_per_step * (4 if "transitive" in self.positives else 2)

    @property
    def compiles(self) -> bool:
        """Whether the network is compiled: batches have one shape, and there are enough of them."""
        images = self.iterations * self.images_per_step
        return self.compile and self.is_ranking_only and images >= _COMPILED_FROM

    def numbers(self) -> dict[str, Any]:
        """The numbers that decide the result; a checkpoint and a model's name are compared by them."""
        without_effect = {"log_every", "checkpoint_every", "held_out_every", "needs_cuda", "compile"}
        if self.contrast_pictures == 0 and self.pair_loss == "ranking":
            without_effect |= _CONTRAST  # and the names of models that were trained before these fields stay the same
        return {key: value for key, value in asdict(self).items() if key not in without_effect}


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
    "scratch": scratch,
    "imagenet": imagenet,
}


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
            _with_start(recipe, "contrast"),
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
        _with_start(recipe, "contrast"),
        batch_pairs=recipe.batch_pairs * factor,
        context_frames=recipe.context_frames * 2,
        contrast_pictures=recipe.contrast_pictures * factor,
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
    if recipe.name == "contrast":  # a quarter of an hour
        return _narrow_contrast(recipe, width=0.125, pictures=192, rate=0.002, steps=1_600)
    return _narrow(recipe, width=0.125, steps=600, context_steps=1000)


def demo(recipe: Recipe) -> Recipe:
    """Train as `cpu_small` on a third of the steps: a minute or two on two cores."""
    if recipe.name == "contrast":
        return _narrow_contrast(recipe, width=0.125, pictures=96, rate=0.001, steps=400)
    return _narrow(recipe, width=0.125, steps=200, context_steps=300)


def _with_start(recipe: Recipe, start: Start) -> Recipe:
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
        _with_start(recipe, "contrast"),
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
    return _with_start(recipe, STARTS[start]) if start else recipe
