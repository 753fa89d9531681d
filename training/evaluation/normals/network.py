"""FCN-32s (Long et al. 2015, https://arxiv.org/abs/1411.4038), which predicts a codeword of normals for each pixel."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.evaluation.stages import layer_outputs
from training.evaluation.subject import Subject


class NormalsNetwork(nn.Module):
    """The trunk, fc6 and fc7 as convolutions, and scores of the codewords at 1/32 of the size, enlarged bilinearly."""

    def __init__(self, subject: Subject, hidden: int, codewords: int, dropout: float) -> None:
        """Put fc6, fc7 and the scores ("Xavier", section 6.4) on a subject's convolutions; all layers are trained."""
        super().__init__()
        self._subject = (subject,)  # a tuple hides it from nn.Module, which would list the embedding's weights too
        self.features = subject.features
        channels = [layer.out_channels for layer in subject.features if isinstance(layer, nn.Conv2d)][-1]
        self.fc6 = nn.Conv2d(channels, hidden, 7, padding=3)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.score = nn.Conv2d(hidden, codewords, 1)
        self.dropout = nn.Dropout2d(dropout)
        for layer in (self.fc6, self.fc7, self.score):
            nn.init.xavier_uniform_(layer.weight)
            assert layer.bias is not None  # noqa: S101
            nn.init.zeros_(layer.bias)

    def trunk(self, pixels: Tensor) -> Tensor:
        """Return pool5 (N, C, H/32, W/32) of pictures uint8 (N, H, W, 3), which are normalised as in the encoder."""
        output = self._subject[0].network.prepare(pixels)
        for output in layer_outputs(self._subject[0], output):  # noqa: B007, B020
            pass
        return output

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits (N, codewords, H, W) of uint8 (N, H, W, 3)."""
        hidden = self.dropout(self.fc6(self.trunk(pixels)).relu())
        scores = self.score(self.dropout(self.fc7(hidden).relu()))
        return functional.interpolate(scores, size=pixels.shape[1:3], mode="bilinear", align_corners=False)


def codeword_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits (N, K, H, W) over the pixels of classes (N, H, W) that are not −1."""
    return functional.cross_entropy(logits.float(), classes, ignore_index=-1)


def decode_normals(logits: Tensor, codebook: Tensor) -> Tensor:
    """Return unit normals (N, H, W, 3): the mean of the codewords (K, 3), weighted by their softmax probabilities."""
    mean = torch.einsum("nkhw,kc->nhwc", logits.float().softmax(1), codebook)
    return functional.normalize(mean, dim=-1)
