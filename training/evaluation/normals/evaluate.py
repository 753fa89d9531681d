"""Table 5: FCN-32s is trained to predict normals on a folder's first pairs, and measured on its last."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from graph.atomic_write import atomic_write, replacement
from graph.errors import InvalidInput
from graph.records import Progress, no_progress
from training.checkpoints import Identity
from training.devices import choose_device, deterministic
from training.evaluation.exclusive import alone_in
from training.evaluation.head_training import Schedule, train_head
from training.evaluation.normals.codebook import angle_measures, angles, encode_normals, fit_codebook
from training.evaluation.normals.data import Scene, open_depth_folder, read_scene
from training.evaluation.normals.network import NormalsNetwork, codeword_loss, decode_normals
from training.evaluation.subject import Subject
from training.random_streams import RandomStream, generator

_PER_SCENE = 2000  # normals of a picture that the codebook is fitted to
_SHOWN = 4  # test pictures in normals.png


@dataclass(frozen=True)
class NormalsPreset:
    """The numbers of a training of normals."""

    name: str
    schedule: Schedule
    width: int  # pixels of the pictures
    height: int
    hidden: int  # channels of fc6 and fc7
    batch: int
    codewords: int = 40  # section 6.3
    dropout: float = 0.5  # FCN


def get_preset(name: str) -> NormalsPreset:
    """Return a preset: `paper` (section 6.3 and FCN-32s' own numbers), `gpu-small`, `cpu-small`.

    FCN's rate 1e-10 is of a loss summed over pixels; 1e-10 times a 640×480 picture's pixels is 3e-5 of their mean, with
    momentum 0.99.
    """
    presets = {
        "paper": NormalsPreset("paper", Schedule(100_000, 3e-5, momentum=0.99), 640, 480, 4096, 1),
        "gpu-small": NormalsPreset("gpu-small", Schedule(2_000, 0.001, drops=(1_500,)), 320, 240, 1024, 8),
        "cpu-small": NormalsPreset(
            "cpu-small",
            Schedule(300, 0.01, drops=(225,), gradient_clip=1.0, checkpoint_every=50),
            *(160, 128, 128, 4),
            dropout=0.0,
        ),
    }
    if name not in presets:
        raise InvalidInput(f"There is no preset {name!r}. Presets: {', '.join(presets)}.")
    return presets[name]


def evaluate_normals(
    subject: Subject,
    data: Path,
    output: Path,
    preset: NormalsPreset,
    *,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = no_progress,
) -> dict[str, float]:
    """Train and measure; writes normals.json and normals.png into `output`, and returns table 5's columns.

    Raises:
        InvalidInput: a part of the data is missing or cannot be read, another trunk than VGG16's.
        Conflict: another run works in `output`, or it holds the checkpoint of another training.
        Cancelled: raised by `progress`; a checkpoint is kept.
    """
    folder = open_depth_folder(data)
    train_rows, test_rows = folder.parts()
    with alone_in(output, "normals"):
        scenes: list[Scene] = []
        for done, (colour, depth) in enumerate(folder.pairs, start=1):
            scenes.append(read_scene(colour, depth, folder.camera, preset.width, preset.height))
            progress("normals, from depth", done, len(folder.pairs), "pictures")
        train = [scenes[row] for row in train_rows]
        codebook = fit_codebook(_sample(train, seed), preset.codewords, seed)
        chosen = choose_device(device)
        torch.manual_seed(seed)
        network = NormalsNetwork(subject, preset.hidden, preset.codewords, preset.dropout).to(chosen)
        subject.network.to(chosen)
        identity = Identity(asdict(preset), "normals", folder.fingerprint, seed, subject.id)

        def loss_of(step: int) -> dict[str, Tensor]:
            rows = generator(seed, RandomStream.HEADS, step, 1).choice(len(train), preset.batch, replace=True)
            pixels = torch.from_numpy(np.stack([train[row].colours for row in rows])).to(chosen)
            classes = np.stack(
                [np.where(train[row].valid, encode_normals(train[row].normals, codebook), -1) for row in rows]
            )
            with torch.autocast(chosen.type, torch.bfloat16, enabled=chosen.type == "cuda"):
                logits = network(pixels)
            return {"codewords": codeword_loss(logits, torch.from_numpy(classes).to(chosen))}

        with deterministic(chosen, same_shapes=True):
            network.train()
            seconds = train_head(network, loss_of, preset.schedule, output, identity, "normals", progress)
        network.eval()
        test = [scenes[row] for row in test_rows]
        predicted = _predict(network, test, codebook, chosen, progress)
        errors = np.concatenate(
            [angles(found[one.valid], one.normals[one.valid]) for found, one in zip(predicted, test, strict=True)]
        )
        measures = angle_measures(errors)
        # What needs no picture: the mean direction of the training normals, for every pixel.
        constant = _sample(train, seed).mean(0)
        constant = np.broadcast_to(constant / np.linalg.norm(constant), (len(errors), 3)).astype(np.float32)
        blind = angle_measures(angles(constant, np.concatenate([one.normals[one.valid] for one in test])))
        facts = {"model": subject.id, "data": str(data), "preset": asdict(preset), "seed": seed}
        facts |= {"train": len(train), "test": len(test), "seconds": round(seconds, 1)}
        facts |= {"measures": measures, "one normal for all pixels": blind}
        with replacement(output / "normals.png") as temporary:
            _draw(test[:_SHOWN], predicted[:_SHOWN]).save(temporary, "PNG")
        atomic_write(output / "normals.json", json.dumps(facts, indent=2) + "\n")
    return measures


def _sample(scenes: list[Scene], seed: int) -> NDArray[np.float32]:
    draws = np.random.default_rng(seed)
    parts = [scene.normals[scene.valid] for scene in scenes]
    return np.concatenate([part[draws.integers(len(part), size=min(_PER_SCENE, len(part)))] for part in parts])


@torch.inference_mode()
def _predict(
    network: NormalsNetwork,
    scenes: list[Scene],
    codebook: NDArray[np.float32],
    device: torch.device,
    progress: Progress,
) -> list[NDArray[np.float32]]:
    words = torch.from_numpy(codebook).to(device)
    found = []
    for done, scene in enumerate(scenes, start=1):
        logits = network(torch.from_numpy(scene.colours[None]).to(device))
        found.append(decode_normals(logits, words)[0].cpu().numpy())
        progress("normals, test pictures", done, len(scenes), "pictures")
    return found


def _draw(scenes: list[Scene], predicted: list[NDArray[np.float32]]) -> Image.Image:
    """Return a picture with a row of colours, truth (black: not valid) and prediction for each scene."""
    rows = []
    for scene, found in zip(scenes, predicted, strict=True):
        truth = np.where(scene.valid[..., None], (scene.normals + 1) * 127.5, 0)
        rows.append(np.concatenate([scene.colours, truth, (found + 1) * 127.5], axis=1))
    return Image.fromarray(np.concatenate(rows).astype(np.uint8))


def with_iterations(preset: NormalsPreset, iterations: int) -> NormalsPreset:
    """Set the number of steps; the drops of the rate keep their share of the schedule."""
    schedule = preset.schedule
    drops = tuple(drop * iterations // schedule.iterations for drop in schedule.drops)
    return replace(preset, schedule=replace(schedule, iterations=iterations, drops=drops))
