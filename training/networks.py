"""The network of a recipe: a trunk of convolutions shared by the 1024-d embedding and the context head.

    pixels uint8 (N, 96, 96, 3) → features (VGG16's convolutions) → pool5 → fc6, fc7 → embedding        section 5
                                                                    ↘ ContextHead → 8 positions         Doersch 2015

The convolutions have torchvision's names (`features.0.weight` …), so weights can be exchanged with torchvision.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet50

from training.recipe import Recipe

# Channels of VGG16's convolutions; "M" is max pooling. Simonyan and Zisserman 2014, configuration D.
_VGG16: tuple[int | str, ...] = (
    *(64, 64, "M", 128, 128, "M", 256, 256, 256, "M"),
    *(512, 512, 512, "M", 512, 512, 512, "M"),
)
FIRST_NORMED = 10  # index of conv3_1 in `features`, the first layer with batch norm (Doersch's released code)
_MEAN = (0.485, 0.456, 0.406)  # torchvision's, because its weights were trained with them
_STD = (0.229, 0.224, 0.225)
POSITIONS = 8
POOL5_SIDE = 3  # of pool5 at 96x96


def vgg16_features(width: float = 1.0) -> nn.Sequential:
    """Build VGG16's convolutions in torchvision's layout, each layer with `width` of its channels (at least 8)."""
    layers: list[nn.Module] = []
    channels = 3
    for item in _VGG16:
        if isinstance(item, str):
            layers.append(nn.MaxPool2d(2, 2))
        else:
            wide = max(8, round(item * width))
            layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU(inplace=True)]
            channels = wide
    return nn.Sequential(*layers)


class ContextHead(nn.Module):
    """The classifier of context prediction: fc6 on pool5 of each patch, fc7 and fc8 on both, eight positions."""

    def __init__(self, pool5: int, hidden: int) -> None:
        """Build the layers, each but the last followed by batch norm without scale and shift."""
        super().__init__()
        self.fc6 = nn.Linear(pool5, hidden)
        self.fc7 = nn.Linear(2 * hidden, hidden)
        self.fc8 = nn.Linear(hidden, hidden)
        self.fc9 = nn.Linear(hidden, POSITIONS)
        self.norm6 = nn.BatchNorm1d(hidden, affine=False)
        self.norm7 = nn.BatchNorm1d(hidden, affine=False)
        self.norm8 = nn.BatchNorm1d(hidden, affine=False)

    def forward(self, pool5: Tensor, pairs: Tensor) -> Tensor:
        """Return the (P, 8) logits of (P, 2) pairs of rows of pool5 (N, D)."""
        each = self.norm6(self.fc6(pool5)).relu()
        both = torch.cat([each[pairs[:, 0]], each[pairs[:, 1]]], dim=1)
        both = self.norm7(self.fc7(both)).relu()
        both = self.norm8(self.fc8(both)).relu()
        logits: Tensor = self.fc9(both)
        return logits


class ProjectionHead(nn.Sequential):
    """The projection from pool5 to the contrasted vector; it is not used after the training."""

    def __init__(self, pool5: int, hidden: int, embedding: int) -> None:
        """Make two layers with batch norm between them. Chen et al. 2020, section 4.2."""
        super().__init__(
            nn.Linear(pool5, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, embedding)
        )


class Network(nn.Module):
    """The trunk with the heads of its recipe; one `forward` for both losses, because DDP needs a single call."""

    mean: Tensor
    std: Tensor

    def __init__(self, recipe: Recipe) -> None:
        """Build the layers with Xavier's random weights (section 6.4), drawn from torch's global generator."""
        super().__init__()
        self.trunk = recipe.trunk
        self.norms = nn.ModuleDict()
        self.features: nn.Module
        if recipe.trunk == "resnet50":
            self.features = resnet50(weights=None)
            self.features.fc = nn.Identity()
            self.pool5_dim = 2048  # averaged over positions, because 3×3×2048 would be four times VGG16's
        else:
            self.features = vgg16_features(recipe.width if recipe.trunk == "vgg16-narrow" else 1.0)
            channels = [layer.out_channels for layer in self.features if isinstance(layer, nn.Conv2d)]
            self.pool5_dim = 3 * 3 * channels[-1]  # 4608 for VGG16 at 96x96 (section 4.2)
            if recipe.is_stage_0:
                first = FIRST_NORMED if recipe.predict_context else 0
                for place, layer in enumerate(self.features):
                    if isinstance(layer, nn.Conv2d) and place >= first:
                        self.norms[str(place)] = nn.BatchNorm2d(layer.out_channels, affine=False)
        has_embedding = recipe.embedding > 0 and (recipe.has_ranking_loss or recipe.iterations == 0)
        self.embedding_dim = recipe.embedding if has_embedding else 0
        self.embedding = (
            nn.Sequential(
                nn.Linear(self.pool5_dim, recipe.hidden),
                nn.ReLU(inplace=True),
                nn.Linear(recipe.hidden, recipe.embedding),
            )
            if has_embedding
            else None
        )
        self.context = ContextHead(self.pool5_dim, recipe.context_hidden) if recipe.predict_context else None
        self.projection = (
            ProjectionHead(self.pool5_dim, recipe.hidden, recipe.embedding)
            if recipe.contrast_pictures > 0 and recipe.is_stage_0
            else None
        )
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1) * 255, persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def prepare(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 (N, 96, 96, 3) to float32 (N, 3, 96, 96), stored channels last."""
        images = pixels.permute(0, 3, 1, 2)  # a view: the bytes are stored channels last already
        return (images.float() - self.mean) / self.std

    def pool5(self, images: Tensor) -> Tensor:
        """Encode normalised (N, 3, 96, 96), or smaller views, to (N, D); D = 4608 for VGG16."""
        if self.trunk == "resnet50":
            pooled: Tensor = self.features(images)
            return pooled
        assert isinstance(self.features, nn.Sequential)  # noqa: S101
        for place, layer in enumerate(self.features):
            images = layer(images)
            if str(place) in self.norms:
                images = self.norms[str(place)](images)
        if images.shape[-1] != POOL5_SIDE:  # smaller views; the heads and the encoder get 96 pixels
            images = functional.interpolate(images, (POOL5_SIDE, POOL5_SIDE), mode="bilinear")
        # In the order channels, rows, columns, as torchvision's pool5, in every memory format.
        return images.contiguous().flatten(1)

    def forward(
        self, images: Tensor | None, patches: Tensor | None, pairs: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Encode a mini-batch.

        Args:
            images: normalised (N, 3, 96, 96) to rank, or views to contrast, or None.
            patches: normalised (M, 3, 96, 96) of frames for context prediction, or None.
            pairs: (P, 2) rows of `patches`, or None.

        Returns:
            (N, E) embeddings, not normalised, and (P, 8) logits; None for an input that is None.
        """
        embeddings = logits = None
        head = self.projection if self.embedding is None else self.embedding
        if images is not None and head is not None:
            embeddings = head(self.pool5(images))
        if patches is not None and self.context is not None and pairs is not None:
            logits = self.context(self.pool5(patches), pairs)
        return embeddings, logits


def torchvision_state(network: Network) -> dict[str, Tensor]:
    """Return the trunk's weights under torchvision's names (`features.*` of vgg16; resnet50's own without `fc`)."""
    prefix = "features." if network.trunk == "resnet50" else ""
    state: dict[str, Any] = network.state_dict()
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith("features.")}
