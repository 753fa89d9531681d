"""Fast and Faster R-CNN on the trunk: torchvision's proposal network and RoI heads behind conv5_3."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
from torchvision.ops import RoIPool

from graph.errors import InvalidInput
from training.evaluation.detection.presets import DetectionPreset
from training.evaluation.stages import layer_outputs
from training.evaluation.subject import Subject

_CELLS = 7  # RoI pooling's grid, Girshick 2015
_STRIDE = 16  # of conv5_3
FREEZES = ("none", "c1", "c2", "c3", "c4", "c5")


class _Pool(nn.Module):
    """RoI max pooling with the arguments of torchvision's RoI heads."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = RoIPool(_CELLS, 1 / _STRIDE)

    def forward(self, features: dict[str, Tensor], boxes: list[Tensor], sizes: list[tuple[int, int]]) -> Tensor:
        pooled: Tensor = self.pool(features["0"], boxes)
        return pooled


class _Resize(GeneralizedRCNNTransform):  # type: ignore[misc]
    """Torchvision's resizing and padding without its normalisation, which the trunk's own function does."""

    def normalize(self, image: Tensor) -> Tensor:
        """Return the picture as it is, without the two passes over it."""
        return image


class Detector(nn.Module):
    """A subject's convolutions up to conv5_3, proposals (given, or from a network), and a box head."""

    def __init__(self, subject: Subject, classes: int, preset: DetectionPreset, freeze: str) -> None:
        """Put random heads on the convolutions; stages up to `freeze` are not tuned. Raises `InvalidInput`."""
        super().__init__()
        if freeze not in FREEZES:
            raise InvalidInput(f"Unknown --freeze {freeze}. Use one of {', '.join(FREEZES)}.")
        self._subject = (subject,)  # a tuple hides it from nn.Module, which would list the embedding's weights too
        self.features = subject.features
        channels = [layer.out_channels for layer in self.features if isinstance(layer, nn.Conv2d)][-1]
        stage = 1
        for layer in self.features:
            stage += isinstance(layer, nn.MaxPool2d)
            layer.requires_grad_(stage > FREEZES.index(freeze))
        self.resize = _Resize(preset.shorter, preset.longer, [0.0] * 3, [1.0] * 3)
        self.rpn: Any = None
        if preset.head == "faster":
            anchors = AnchorGenerator((preset.anchors,), ((0.5, 1.0, 2.0),))
            head = RPNHead(channels, anchors.num_anchors_per_location()[0])
            kept = {"training": 2000, "testing": 300}  # after non-maximum suppression: Ren et al. 2015
            before = {"training": 12000, "testing": 6000}
            self.rpn = RegionProposalNetwork(anchors, head, 0.7, 0.3, 256, 0.5, before, kept, 0.7)
        box_head = TwoMLPHead(channels * _CELLS**2, preset.hidden)
        predictor = FastRCNNPredictor(preset.hidden, classes + 1)
        if preset.deviation:  # section 6.2: fully connected layers from a Gaussian
            for linear in (box_head.fc6, box_head.fc7):
                nn.init.normal_(linear.weight, std=preset.deviation)
                nn.init.zeros_(linear.bias)
        self.heads = RoIHeads(_Pool(), box_head, predictor, 0.5, 0.5, preset.rois, 0.25, None, 0.05, 0.3, 100)

    def trunk(self, images: Tensor) -> Tensor:
        """Return conv5_3 after its ReLU, (N, C, H/16, W/16), of normalised (N, 3, H, W)."""
        *_, conv5_3, _pool5 = layer_outputs(self._subject[0], images)
        return conv5_3

    def forward(
        self,
        pictures: Sequence[Tensor],
        targets: list[dict[str, Tensor]] | None = None,
        proposals: Sequence[Tensor] | None = None,
    ) -> Any:
        """Return the named losses in training, else for each picture a dictionary of boxes, labels and scores.

        Args:
            pictures: uint8 (H, W, 3) each, on the device.
            targets: boxes (N, 4) and labels (N,) of each, in training.
            proposals: (P, 4) of each, for Fast R-CNN.
        """
        prepare = self._subject[0].network.prepare
        sizes = [(picture.shape[0], picture.shape[1]) for picture in pictures]
        images, resized = self.resize([prepare(picture[None])[0] for picture in pictures], targets)
        features = {"0": self.trunk(images.tensors)}
        losses: dict[str, Tensor] = {}
        if self.rpn is not None:
            regions, losses = self.rpn(images, features, resized)
        else:
            assert proposals is not None  # noqa: S101
            regions = [
                resize_boxes(boxes, size, new)
                for boxes, size, new in zip(proposals, sizes, images.image_sizes, strict=True)
            ]
        found, more = self.heads(features, regions, images.image_sizes, resized)
        if self.training:
            return {**losses, **more}
        return self.resize.postprocess(found, images.image_sizes, sizes)
