"""The initial weights of a network: random, another model's convolutions, or torchvision's VGG16 of ImageNet."""

from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor
from torchvision.models import VGG16_Weights

from graph.errors import InvalidInput, NoDevice, NotFound, StorageError
from training.model_folder import load_trunk, read_card, read_weights
from training.networks import Network
from training.recipe import STARTS, Recipe

_HUB = "torchvision-vgg16-imagenet1k-v1"


def load_initial_weights(network: Network, recipe: Recipe, initial: Path | None) -> str:
    """Load the weights that a recipe starts from; returns the name of their origin ("" for random weights).

    Args:
        network: network with random weights, which recipes that start from scratch keep.
        recipe: its `initial` says which kind of weights.
        initial: model folder for "context" and "contrast", file for "imagenet" (None: torchvision's download).

    Raises:
        NotFound: the folder or file does not exist.
        InvalidInput: no folder was given, or it holds another network.
        NoDevice: no file was given, and the download failed.
    """
    if recipe.initial == "imagenet":
        return load_imagenet(network, initial)
    if recipe.initial == "xavier":
        return ""
    if initial is None:
        raise InvalidInput(
            f"Recipe {recipe.name!r} starts from the convolutions of a {recipe.initial} network (section 6), and none "
            f"was given. Run `transitive train {recipe.initial} --preset {recipe.preset}` first."
        )
    return load_trunk(network, initial)


def initial_weights_name(recipe: Recipe, initial: Path | None) -> str:
    """Return what `load_initial_weights` would return, without loading: a model's id, or the name of a file."""
    if recipe.initial == "imagenet":
        return initial.name if initial else _HUB
    return str(read_card(initial)["id"]) if recipe.initial in STARTS and initial else ""


def load_imagenet(network: Network, file: Path | None) -> str:
    """Load `features.*` from a .pth or .safetensors file, or from torchvision's hub; returns the file's or hub's name.

    Raises as `load_initial_weights`.
    """
    if file is None:
        try:
            weights = VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
        except (URLError, OSError) as error:
            raise NoDevice(
                f"torchvision's VGG16 weights could not be downloaded ({error}). On a machine without network give the "
                "file: --initial vgg16-397923af.pth."
            ) from None
    else:
        weights = _read(file)
    trunk = {name: value for name, value in weights.items() if name.startswith("features.")}
    ours = {name for name in network.state_dict() if name.startswith("features.")}
    state = network.state_dict()
    if trunk.keys() != ours or any(trunk[name].shape != state[name].shape for name in ours):
        raise InvalidInput(
            f"{file or 'The download'} does not hold the weights of torchvision's vgg16. "
            "Give https://download.pytorch.org/models/vgg16-397923af.pth or a model's folder."
        )
    network.load_state_dict(trunk, strict=False)
    return _HUB if file is None else file.name


def _read(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise NotFound(f"{file} is not a file of weights.")
    if file.suffix == ".safetensors":
        return read_weights(file)
    try:
        weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise StorageError(f"{file} cannot be read as weights ({str(error).splitlines()[0]}).") from None
    return weights
