"""Folding of batch norm into convolutions, and rescaling of the layers, before a network is fine-tuned.

Batch norm without scale and shift is a fixed affine map after training, so it folds into the convolution before it.
The layers then differ in scale and would learn at different rates; rescaling balances them (Krähenbühl et al. 2016).
"""

import torch
from torch import Tensor, nn

from training.networks import Network


@torch.no_grad()
def fold_batch_norm(network: Network) -> None:
    """Fold each batch norm of the trunk into its convolution and remove it; the outputs in evaluation stay the same.

    (W x + b - mean) / sqrt(var + eps) = (W / s) x + (b - mean) / s.
    """
    if not isinstance(network.features, nn.Sequential):
        return  # resnet50 keeps its batch norm, which has scale and shift and belongs to torchvision's layout
    for place, norm in network.norms.items():
        convolution = network.features[int(place)]
        assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)  # noqa: S101, PT018
        assert norm.running_var is not None and norm.running_mean is not None  # noqa: S101, PT018
        spread = (norm.running_var + norm.eps).sqrt()
        convolution.weight /= spread.view(-1, 1, 1, 1)
        if convolution.bias is not None:
            convolution.bias.copy_((convolution.bias - norm.running_mean) / spread)
    network.norms = nn.ModuleDict()


@torch.no_grad()
def rescale_layers(network: Network, images: Tensor) -> None:
    """Give every convolution's output a root mean square of 1 on normalised (N, 3, 96, 96) images.

    ReLU and max pooling preserve a positive factor, so pool5 is multiplied by one number, which cosines ignore.
    """
    if not isinstance(network.features, nn.Sequential):
        return
    incoming = 1.0  # factor of the layer's input
    for layer in network.features:
        if isinstance(layer, nn.Conv2d):
            layer.weight /= incoming  # undoes the input's factor, so the output is the original one
            output = layer(images)
            factor = float(1 / output.float().square().mean().sqrt().clamp(min=1e-12))
            layer.weight *= factor
            if layer.bias is not None:
                layer.bias *= factor
            incoming = factor
            images = output * factor
        else:
            images = layer(images)
