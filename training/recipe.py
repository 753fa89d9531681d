"""The dataclass of all numbers of a training.

Each number has the section of the paper that it comes from. "Caffe" marks a number that the paper leaves open and that
the authors' earlier code (ICCV 2015) takes from Caffe's defaults.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Positive = Literal["intra", "inter", "transitive"]
Start = Literal["context", "contrast"]
STARTS: dict[str, Start] = {"context": "context", "contrast": "contrast"}  # recipes of stage 0

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
    added_tracks: int = 0  # per mini-batch beside its quadruples, drawn from all tracks, because most have no link
    predict_context: bool = False  # the 8-way relative position of Doersch et al. 2015
    constrained: bool = False  # section 5, end: also D(A, A') < D(A, B')
    constrained_margin: float = 0.0  # the paper gives none
    initial: Literal["context", "contrast", "xavier", "imagenet"] = "context"  # section 6: convs of [9], FC random
    links: Literal["network", "hog"] = "network"  # section 4.2; "hog" in section 6.2's ablation
    track_length: int = 30  # section 4.3; 15 in section 6.2's ablation

    # The network
    trunk: Literal["vgg16", "vgg16-narrow", "resnet50"] = "vgg16"  # section 5
    width: float = 1.0  # of vgg16-narrow: share of VGG16's channels that its layers have
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
    view_side: int = 64  # pixels of a view; on two cores, 3.3 times as many views per second as with 96 pixels
    view_area: float = 0.15  # area of the smallest crop, as a share of the picture
    view_ratio: float = 4 / 3  # the widest crop's width to its height, and the tallest's height to its width
    view_recoloured: float = 0.8  # share of the views with other colours
    view_colour: float = 0.4  # random factor of brightness, contrast and saturation, either way
    view_hue: float = 0.1  # random rotation of the hue, either way; 1 is a full turn
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
    gradient_clip: float = 0.0  # maximum norm of the gradient; 0: no limit

    # Augmentation: the paper names none
    mirror: bool = False
    crop: int = 0  # pixels of random shift, either way
    colour: float = 0.0  # random factor of brightness and contrast, either way

    # Intervals and devices, which do not change the result
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
        """Whether the recipe (context or contrast) trains a stage-0 network, from which others start."""
        return not self.positives and (self.predict_context or self.contrast_pictures > 0)

    @property
    def is_ranking_only(self) -> bool:
        """Whether the ranking loss of section 5 is the only loss."""
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
        """The maximum number of images that one mini-batch ranks; quadruples that share patches have fewer."""
        if not self.has_ranking_loss:
            return 0
        return self.quadruples_per_step * (4 if "transitive" in self.positives else 2) + 2 * self.added_tracks

    @property
    def compiles(self) -> bool:
        """Whether the network is compiled: batches have one shape, and there are enough of them."""
        images = self.iterations * self.images_per_step
        return self.compile and self.is_ranking_only and images >= _COMPILED_FROM

    def numbers(self) -> dict[str, Any]:
        """The numbers that determine the result; checkpoints and model names are compared by them."""
        without_effect = {"log_every", "checkpoint_every", "held_out_every", "needs_cuda", "compile"}
        if self.contrast_pictures == 0 and self.pair_loss == "ranking":
            without_effect |= _CONTRAST  # so that models trained before these fields existed keep their names
        if self.added_tracks == 0:
            without_effect.add("added_tracks")
        return {key: value for key, value in asdict(self).items() if key not in without_effect}
