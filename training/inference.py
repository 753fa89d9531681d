"""Fast computation of pool5 of a trained network.

On a GPU, cuDNN's fused convolution includes bias and ReLU; as separate operations, each would read and write
every feature map once more.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks import Network

_BF16_SINCE = (8, 0)  # compute capability


def pool5_of(network: Network) -> Callable[[Tensor], Tensor]:
    """Return a function from normalised (N, 3, 96, 96) to pool5, (N, D); it computes no gradient.

    It is the network's own function if cuDNN cannot fuse: without a GPU or with an old one, with batch norm that is not
    folded yet, and for ResNet.
    """
    device = next(network.parameters()).device
    plain = not isinstance(network.features, nn.Sequential) or len(network.norms) > 0
    if plain or device.type != "cuda" or torch.cuda.get_device_capability(device) < _BF16_SINCE:
        return network.pool5
    steps: list[tuple[Tensor, Tensor] | None] = []  # None: max pooling
    for layer in network.features.children():
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None  # noqa: S101
            weight = layer.weight.detach().bfloat16().contiguous(memory_format=torch.channels_last)
            steps.append((weight, layer.bias.detach().bfloat16()))
        elif isinstance(layer, nn.MaxPool2d):
            steps.append(None)

    def fused(images: Tensor) -> Tensor:
        images = images.bfloat16()
        for step in steps:
            if step is None:
                images = functional.max_pool2d(images, 2)
            else:
                images = torch.cudnn_convolution_relu(images, *step, (1, 1), (1, 1), (1, 1), 1)
        return images.contiguous().flatten(1)

    return fused
