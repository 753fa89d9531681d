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
Preset = Literal["paper", "h200", "cpu-small", "demo"]

_COMPILED_FROM = 1_000_000  # images; on fewer, compiling takes longer than it saves (docs/benchmarks/)


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
    initial: Literal["context", "xavier", "imagenet"] = "context"  # section 6: convs of [9], FC random
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
        return self.ranked_per_step + self.context_frames * 9 * self.predict_context

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
        return self.compile and not self.predict_context and images >= _COMPILED_FROM

    def numbers(self) -> dict[str, Any]:
        """The numbers that decide the result; a checkpoint and a model's name are compared by them."""
        without_effect = {"log_every", "checkpoint_every", "held_out_every", "needs_cuda", "compile"}
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
    "transitive": transitive,
    "tracking": tracking,
    "inter": inter,
    "multitask": multitask,
    "transitive-hog": transitive_hog,
    "transitive-15": transitive_15,
    "constrained": constrained,
    "scratch": scratch,
    "imagenet": imagenet,
}


def paper(recipe: Recipe) -> Recipe:
    """Keep all of the paper's numbers."""
    return recipe


def h200(recipe: Recipe) -> Recipe:
    """Train on the same number of pairs in larger batches, with a warm-up, for one H200.

    The rate grows with the square root of the batch, which keeps the noise of a step in proportion. It was not
    measured against the linear rule.
    """
    factor = 10
    if recipe.predict_context and not recipe.has_ranking_loss:
        # Positions right after 250 steps: 20.6 %. With SGD at 0.0316: 14.8 %, SGD at 0.1: 14.0 %, Adam at 0.001: 17.9 %
        # (patches of shared/data's training frames, one H200).
        recipe = replace(recipe, optimiser="adam", learning_rate=3e-4 / factor**0.5)
    return replace(
        recipe,
        batch_pairs=recipe.batch_pairs * factor,
        context_frames=recipe.context_frames * 2,
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
    return _narrow(recipe, width=0.125, steps=600, context_steps=1000)


def demo(recipe: Recipe) -> Recipe:
    """Train as `cpu_small` on a third of the steps: a minute or two on two cores."""
    return _narrow(recipe, width=0.125, steps=200, context_steps=300)


def _narrow(recipe: Recipe, width: float, steps: int, context_steps: int) -> Recipe:
    if recipe.initial == "imagenet":
        return recipe  # its weights fit the full width only
    iterations = context_steps if recipe.predict_context and not recipe.has_ranking_loss else steps
    return replace(
        recipe,
        trunk="vgg16-narrow",
        width=width,
        hidden=int(4096 * width),
        embedding=128,
        context_hidden=256,
        context_frames=6 if not recipe.has_ranking_loss else 4,
        # Context prediction stays at chance for many steps; Adam adapts the rate of the layers without batch norm.
        optimiser="adam" if not recipe.has_ranking_loss else "sgd",
        # Positions right after 1,200 steps on pictures held out of imagenette/train: 24.3 % at 0.003, 23.2 % at 0.001.
        learning_rate=0.003 if not recipe.has_ranking_loss else 0.01,
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


def get_recipe(name: str, preset: str = "paper") -> Recipe:
    """Build recipe `name` at `preset`; raises `InvalidInput` that lists the known names."""
    if name not in RECIPES:
        raise InvalidInput(f"Unknown recipe {name!r}. Recipes: {', '.join(RECIPES)}.")
    if preset not in PRESETS:
        raise InvalidInput(f"Unknown preset {preset!r}. Presets: {', '.join(PRESETS)}.")
    return replace(PRESETS[preset](RECIPES[name]()), preset=preset)
