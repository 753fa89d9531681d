"""A trained network comes in; what computes its pool5 the fastest goes out.

On a GPU bias and ReLU are done within cuDNN's convolution: apart, each reads and writes every feature map once more.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks import Network

_SINCE = (8, 0)  # compute capability that has bf16


def pool5_of(network: Network) -> Callable[[Tensor], Tensor]:
    """Return a function from normalised (N, 3, 96, 96) to pool5, (N, D); it computes no gradient.

    Where cuDNN cannot do it (no GPU, an old one, batch norm still in training, ResNet) that is the network's own.
    """
    device = next(network.parameters()).device
    plain = not isinstance(network.features, nn.Sequential) or len(network.norms) > 0
    if plain or device.type != "cuda" or torch.cuda.get_device_capability(device) < _SINCE:
        return network.pool5
    steps: list[tuple[Tensor, Tensor] | None] = []  # None: halve the picture
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
