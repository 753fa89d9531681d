"""The network that an evaluation measures: a trained model, random weights, or a file of torchvision's VGG16."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import torch
from torch import nn

from graph.errors import InvalidInput
from training.initial_weights import load_imagenet
from training.model_folder import CARD, load_network
from training.networks import Network
from training.recipes import get_recipe

SCRATCH = "scratch"


@dataclass(frozen=True)
class Subject:
    """A network in evaluation mode on the CPU, its name, and the folder of its measures."""

    id: str
    network: Network
    folder: Path

    @property
    def features(self) -> nn.Sequential:
        """VGG16's convolutions; raises `InvalidInput` for a network with another trunk."""
        if not isinstance(self.network.features, nn.Sequential):
            raise InvalidInput(
                f"{self.id} has the trunk {self.network.trunk}, but this measure needs VGG16's convolutions. "
                "Give a model of a vgg16 recipe."
            )
        return self.network.features


def open_subject(name: str, results: Path, preset: str = "paper", seed: int = 0) -> Subject:
    """Open what `evaluate --model` names.

    Args:
        name: folder of a finished model, a file of torchvision's VGG16 weights, or "scratch".
        results: folder of the measures of weights that have no folder of their own.
        preset: of the recipe `scratch`, which decides its width.
        seed: of the random weights of `scratch`, and of an embedding that a file lacks.

    Raises:
        NotFound: the folder holds no finished model, or the file does not exist.
        InvalidInput: the weights are not vgg16's, or the preset is unknown.
        StorageError: damaged weights.
    """
    if name == SCRATCH:
        recipe = get_recipe(SCRATCH, preset)
        torch.manual_seed(seed)
        network = Network(recipe).eval()
        key = f"{SCRATCH}-{preset}-s{seed}"
        return Subject(key, network, results / key)
    path = Path(name).expanduser()
    if path.is_file():
        torch.manual_seed(seed)
        network = Network(get_recipe("imagenet", "paper")).eval()
        load_imagenet(network, path)
        # The name and the size identify a file well enough for a folder of measures.
        digest = blake2b(f"{path.name}:{path.stat().st_size}".encode(), digest_size=3).hexdigest()
        key = f"{path.stem}-{digest}"
        return Subject(key, network, results / key)
    if not path.is_dir():
        raise InvalidInput(
            f"There is no model {name!r}. Give a model's folder (it holds {CARD}), a .pth or .safetensors file of "
            f"torchvision's vgg16, or {SCRATCH}."
        )
    network, _, card = load_network(path)
    return Subject(str(card["id"]), network, path / "evaluation")
