"""Training and measurement of FCN-32s for surface normals, for table 5."""

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
from training.evaluation.normals.codebook import angle_measures, angles, encode_normals
from training.evaluation.normals.data import NormalsData, Scene
from training.evaluation.normals.network import NormalsNetwork, codeword_loss, decode_normals
from training.evaluation.normals.scene_cache import SceneCache
from training.evaluation.subject import Subject
from training.random_streams import RandomStream, generator

_SHOWN = 4  # test pictures in normals.png
_DRAWS = 500


@dataclass(frozen=True)
class NormalsPreset:
    """The numbers of a training of normals."""

    name: str
    schedule: Schedule
    width: int  # pixels of the pictures
    height: int
    hidden: int  # channels of fc6 and fc7
    batch: int
    codewords: int = 40  # section 6.4
    dropout: float = 0.5  # FCN


def get_preset(name: str) -> NormalsPreset:
    """Return a preset: `paper` (section 6.4 and FCN-32s' own numbers), `gpu-small`, `cpu-small`.

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
        raise InvalidInput(f"Unknown preset {name!r}. Presets: {', '.join(presets)}.")
    return presets[name]


def evaluate_normals(
    subject: Subject,
    data: NormalsData,
    output: Path,
    preset: NormalsPreset,
    *,
    cache: Path,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = no_progress,
) -> dict[str, float]:
    """Train and measure; writes normals.json and normals.png into `output`.

    Args:
        subject: network whose convolutions are used.
        data: from `open_normals_data`.
        output: folder of results and checkpoints, from which a stopped run resumes.
        preset: from `get_preset`.
        cache: folder of the fitted normals, shared by all evaluations on the same data.
        seed: of the head, the codebook and the batches.
        device: where to train.
        progress: receives the number of pictures and steps done.

    Returns:
        Table 5's columns.

    Raises:
        InvalidInput: a part of the data is missing or unreadable, or the trunk is not VGG16's.
        Conflict: another run works in `output`, or it holds the checkpoint of another training.
        Cancelled: raised by `progress`; a checkpoint is kept.
    """
    with alone_in(output, "normals"):
        scenes = SceneCache.below(cache, data, preset.width, preset.height)
        scenes.fill(progress)
        codebook = scenes.codebook(preset.codewords, seed)
        chosen = choose_device(device)
        torch.manual_seed(seed)
        network = NormalsNetwork(subject, preset.hidden, preset.codewords, preset.dropout).to(chosen)
        subject.network.to(chosen)
        identity = Identity(asdict(preset), "normals", data.fingerprint, seed, subject.id)

        def loss_of(step: int) -> dict[str, Tensor]:
            drawn = generator(seed, RandomStream.HEADS, step, 1).choice(data.train, preset.batch, replace=True)
            batch = [scenes.read(number) for number in drawn]
            pixels = torch.from_numpy(np.stack([one.colours for one in batch])).to(chosen)
            classes = np.stack([np.where(one.valid, encode_normals(one.normals, codebook), -1) for one in batch])
            with torch.autocast(chosen.type, torch.bfloat16, enabled=chosen.type == "cuda"):
                logits = network(pixels)
            return {"codewords": codeword_loss(logits, torch.from_numpy(classes).to(chosen))}

        with deterministic(chosen, same_shapes=True):
            network.train()
            seconds = train_head(network, loss_of, preset.schedule, output, identity, "normals", progress)
        network.eval()
        mean = scenes.sample(seed).mean(0)
        errors, blind, shown = _test(network, scenes, codebook, mean / np.linalg.norm(mean), chosen, progress)
        measures = angle_measures(np.concatenate(errors))
        facts = {"model": subject.id, "preset": asdict(preset), "seed": seed}
        facts |= {"train": len(data.train), "test": len(data.test), "seconds": round(seconds, 1)}
        facts |= {"mean, 95 % over test pictures": _interval(errors)}
        facts |= {"measures": measures, "one normal for all pixels": angle_measures(blind)}
        with replacement(output / "normals.png") as temporary:
            _draw(shown).save(temporary, "PNG")
        atomic_write(output / "normals.json", json.dumps(facts, indent=2) + "\n")
    return measures


@torch.inference_mode()
def _test(
    network: NormalsNetwork,
    scenes: SceneCache,
    codebook: NDArray[np.float32],
    constant: NDArray[np.float32],
    device: torch.device,
    progress: Progress,
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64], list[tuple[Scene, NDArray[np.float32]]]]:
    """Predict the test pictures.

    Args:
        network: in evaluation mode on the device.
        scenes: of the data.
        codebook: (K, 3).
        constant: (3,) one normal for all pixels, the baseline.
        device: of the network.
        progress: receives the number of pictures done.

    Returns:
        The angles of each picture's valid pixels in degrees, those of the constant for all, and the first pictures with
        their predictions.
    """
    words = torch.from_numpy(codebook).to(device)
    errors, blind, shown = [], [], []
    for done, number in enumerate(scenes.data.test, start=1):
        scene = scenes.read(number)
        logits = network(torch.from_numpy(scene.colours[None]).to(device))
        found: NDArray[np.float32] = decode_normals(logits, words)[0].cpu().numpy()
        truth = scene.normals[scene.valid]
        errors.append(angles(found[scene.valid], truth))
        blind.append(angles(np.broadcast_to(constant, truth.shape), truth))
        if done <= _SHOWN:
            shown.append((scene, found))
        progress("normals, test pictures", done, len(scenes.data.test), "pictures")
    return errors, np.concatenate(blind), shown


def _interval(errors: list[NDArray[np.float64]], seed: int = 0) -> tuple[float, float]:
    """Return the ends of the mean angle's 95 % interval over pictures, from 500 draws with replacement."""
    sums = np.array([part.sum() for part in errors])
    counts = np.array([len(part) for part in errors])
    rows = np.random.default_rng(seed).integers(len(errors), size=(_DRAWS, len(errors)))
    low, high = np.quantile(sums[rows].sum(1) / counts[rows].sum(1), (0.025, 0.975))
    return float(low), float(high)


def _draw(shown: list[tuple[Scene, NDArray[np.float32]]]) -> Image.Image:
    """Return a picture with a row of colours, truth (black: not valid) and prediction for each scene."""
    rows = []
    for scene, found in shown:
        truth = np.where(scene.valid[..., None], (scene.normals + 1) * 127.5, 0)
        rows.append(np.concatenate([scene.colours, truth, (found + 1) * 127.5], axis=1))
    return Image.fromarray(np.concatenate(rows).astype(np.uint8))


def with_iterations(preset: NormalsPreset, iterations: int) -> NormalsPreset:
    """Set the number of steps; the drops of the rate keep their share of the schedule."""
    schedule = preset.schedule
    drops = tuple(drop * iterations // schedule.iterations for drop in schedule.drops)
    return replace(preset, schedule=replace(schedule, iterations=iterations, drops=drops))
