"""The folder of a trained model: writing and reading of its weights and its model card.

model.safetensors   weights: features.* (torchvision's names), embedding.*, context.*
model.json          the model card: recipe, data, generation, measures, licence
log.jsonl, curves.png, tensorboard/, checkpoints/, map.npy
"""

import json
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import nn

from graph.atomic_write import atomic_write
from graph.errors import InvalidInput, NotFound, StorageError
from graph.identifiers import require_name
from graph.records import ONNX_RECIPE, Model
from training.networks import Network
from training.recipe import Recipe

CARD, WEIGHTS = "model.json", "model.safetensors"
MAP = "map.npy"  # positions of its embeddings in two dimensions (workers/stages/map.py)
FILES = (
    WEIGHTS,
    "log.jsonl",
    "curves.png",
    CARD,
)  # files of a finished model that may be imported from another machine; the card is last
LICENCE = (
    "The code is Apache-2.0. The weights were learned from the videos named by the generation: their licences decide "
    "what may be done with them."
)


def model_id(recipe: Recipe, generation: str, fingerprint: str, initial: str, seed: int) -> str:
    """Return a model's id, a hash of everything that determines the training's result."""
    text = json.dumps([recipe.numbers(), generation, fingerprint, initial], sort_keys=True)
    return f"{recipe.name}-{recipe.preset}-s{seed}-{blake2b(text.encode(), digest_size=4).hexdigest()}"


def write_model(folder: Path, network: Network, recipe: Recipe, model: Model, facts: dict[str, Any]) -> None:
    """Write the weights and then the card, which marks the model as finished."""
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    atomic_write(folder / WEIGHTS, save_safetensors(weights, {"format": "pt", "model": model.id}))
    card = asdict(model) | {"numbers": asdict(recipe), **facts, "licence": LICENCE, "torch": torch.__version__}
    atomic_write(folder / CARD, json.dumps(card, indent=2) + "\n")


def read_card(folder: Path) -> dict[str, Any]:
    """Read a model's card; raises `NotFound` without a finished model, `InvalidInput` for a foreign card."""
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text())
    except FileNotFoundError:
        raise NotFound(f"{folder} holds no finished model ({CARD} is missing). Train one, or --resume it.") from None
    except json.JSONDecodeError as error:
        raise StorageError(f"{folder / CARD} is damaged ({error}). Train the model again.") from None
    if missing := sorted({*Model.__slots__, "numbers"} - card.keys()):
        raise InvalidInput(f"{folder / CARD} is not a model card of this software: it lacks {', '.join(missing)}.")
    require_name("model id", card["id"])  # the id of another machine's card becomes the name of the model's folder
    return card


def card_model(card: dict[str, Any]) -> Model:
    """Return the card's record."""
    return Model(**{name: card[name] for name in Model.__slots__})


def card_recipe(card: dict[str, Any]) -> Recipe:
    """Return the card's recipe; cards written before 2026-11-28 have another name for `held_out_every`."""
    if card["recipe"] == ONNX_RECIPE:
        raise InvalidInput(f"{card['id']} is an ONNX encoder: links and searches can use it, but it cannot be trained.")
    numbers = {"held_out_every" if name == "health_every" else name: value for name, value in card["numbers"].items()}
    return Recipe(**{**numbers, "positives": tuple(numbers["positives"])})


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file; raises `NotFound` or `StorageError`."""
    try:
        return load_safetensors(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"{path} is missing. Train the model again.") from None
    except SafetensorError as error:
        raise StorageError(f"{path} is truncated or damaged ({error}). Train the model again.") from None


def load_network(folder: Path) -> tuple[Network, Recipe, dict[str, Any]]:
    """Build the network of a model's folder, in evaluation mode."""
    card = read_card(folder)
    recipe = card_recipe(card)
    weights = read_weights(folder / WEIGHTS)
    network = Network(recipe)
    if not any(name.startswith("norms.") for name in weights):
        network.norms = nn.ModuleDict()  # folded when the training ended
    network.load_state_dict(weights)
    return network.eval(), recipe, card


def load_trunk(network: Network, folder: Path) -> str:
    """Copy the convolutions of the model in `folder` into `network`; returns that model's id. Section 6."""
    card = read_card(folder)
    theirs = {name: value for name, value in read_weights(folder / WEIGHTS).items() if name.startswith("features.")}
    ours = {name: value for name, value in network.state_dict().items() if name.startswith("features.")}
    wrong = sorted(
        name
        for name in ours.keys() | theirs.keys()
        if getattr(theirs.get(name), "shape", 0) != getattr(ours.get(name), "shape", 1)
    )
    if wrong:
        raise InvalidInput(
            f"{folder.name} has another trunk ({card['numbers']['trunk']}, width {card['numbers']['width']}) than this "
            f"recipe ({network.trunk}). Train the start with the same preset first."
        )
    network.load_state_dict(theirs, strict=False)
    return str(card["id"])
