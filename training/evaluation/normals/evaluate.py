"""The training and measurement of FCN-32s for surface normals on a model's convolutions (section 6.4, table 5)."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graph.atomic_write import atomic_write, replacement
from graph.errors import InvalidInput
from graph.records import Progress
from training.checkpoints import Identity
from training.devices import choose_device, deterministic
from training.evaluation.evaluation_lock import evaluation_lock
from training.evaluation.head_training import HeadRun, Schedule, train_head
from training.evaluation.normals.codebook import angle_measures, angles, encode_normals
from training.evaluation.normals.data import NormalsData, Scene
from training.evaluation.normals.network import NormalsNetwork, codeword_loss, decode_normals
from training.evaluation.normals.scene_cache import SceneCache
from training.evaluation.normals.sheet import draw_normals, shown_rows
from training.evaluation.subject import Subject
from training.random_streams import RandomStream, generator

_DRAWS = 500


@dataclass(frozen=True)
class NormalsPreset:
    """All numbers of a training of FCN-32s but the data and the seed."""

    name: str
    schedule: Schedule
    width: int  # pixels of the pictures
    height: int
    hidden: int  # channels of fc6 and fc7
    batch: int
    codewords: int = 40  # section 6.4
    dropout: float = 0.5  # FCN


def get_preset(name: str) -> NormalsPreset:
    """Return a preset: `paper` (section 6.4 and FCN-32s' own numbers), `gpu-small` or `cpu-small`.

    FCN-32s sums its loss over the pixels and has the learning rate 1e-10 and the momentum 0.99. Our loss is the mean
    over the pixels, so the rate is 1e-10 times the 640×480 pixels of a picture: 3e-5.
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
    subject: Subject, data: NormalsData, preset: NormalsPreset, run: HeadRun, *, cache: Path
) -> dict[str, float]:
    """Train and measure FCN-32s; writes normals.json and normals.png into the run's folder.

    Args:
        subject: the network whose convolutions the head is put on.
        data: from `open_normals_data`.
        preset: from `get_preset`.
        run: folder, seed, device and progress.
        cache: folder of the fitted normals, shared by all evaluations on the same data.

    Returns:
        Table 5's columns.

    Raises:
        InvalidInput: a part of the data is missing or cannot be read, another trunk than VGG16's.
        Conflict: another run works in the folder, or it holds the checkpoint of another training.
        Cancelled: raised by the progress; a checkpoint is kept.
    """
    seed, progress = run.seed, run.progress
    with evaluation_lock(run.output, "normals"):
        scenes = SceneCache.below(cache, data, preset.width, preset.height)
        scenes.fill(progress)
        codebook = scenes.codebook(preset.codewords, seed)
        chosen = choose_device(run.device)
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
            seconds = train_head(network, loss_of, preset.schedule, run, identity, "normals")
        network.eval()
        mean = scenes.sample(seed).mean(0)
        errors, blind, shown = _test(network, scenes, codebook, mean / np.linalg.norm(mean), chosen, progress)
        measures = angle_measures(np.concatenate(errors))
        facts = {"model": subject.id, "preset": asdict(preset), "seed": seed}
        facts |= {"train": len(data.train), "test": len(data.test), "seconds": round(seconds, 1)}
        facts |= {"mean, 95 % over test pictures": _interval(errors)}
        facts |= {"measures": measures, "one normal for all pixels": angle_measures(blind)}
        with replacement(run.output / "normals.png") as temporary:
            draw_normals(shown).save(temporary, "PNG")
        atomic_write(run.output / "normals.json", json.dumps(facts, indent=2) + "\n")
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
    """Predict the normals of the test pictures and measure their angles to the true ones.

    Args:
        network: in evaluation mode on the device.
        scenes: the pictures with their true normals.
        codebook: (K, 3) unit vectors.
        constant: (3,) unit vector, a prediction for every pixel that does not depend on the picture.
        device: of the network.
        progress: receives the number of pictures done.

    Returns:
        The angles in degrees at each picture's valid pixels, one array a picture; the angles of `constant` at all valid
        pixels, in one array; and the pictures to draw with their predictions (H, W, 3).
    """
    words = torch.from_numpy(codebook).to(device)
    errors, blind, shown = [], [], []
    rows = shown_rows(len(scenes.data.test))
    for done, number in enumerate(scenes.data.test, start=1):
        scene = scenes.read(number)
        logits = network(torch.from_numpy(scene.colours[None]).to(device))
        found: NDArray[np.float32] = decode_normals(logits, words)[0].cpu().numpy()
        truth = scene.normals[scene.valid]
        errors.append(angles(found[scene.valid], truth))
        blind.append(angles(np.broadcast_to(constant, truth.shape), truth))
        if done - 1 in rows:
            shown.append((scene, found))
        progress("normals, test pictures", done, len(scenes.data.test), "pictures")
    return errors, np.concatenate(blind), shown


def _interval(errors: list[NDArray[np.float64]], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the mean angle over the pictures: a bootstrap of 500 draws of pictures."""
    sums = np.array([part.sum() for part in errors])
    counts = np.array([len(part) for part in errors])
    rows = np.random.default_rng(seed).integers(len(errors), size=(_DRAWS, len(errors)))
    low, high = np.quantile(sums[rows].sum(1) / counts[rows].sum(1), (0.025, 0.975))
    return float(low), float(high)


def with_iterations(preset: NormalsPreset, iterations: int) -> NormalsPreset:
    """Set the number of steps; the rate drops at the same fractions of the schedule."""
    schedule = preset.schedule
    drops = tuple(drop * iterations // schedule.iterations for drop in schedule.drops)
    return replace(preset, schedule=replace(schedule, iterations=iterations, drops=drops))
