"""Figure 8: the patches with the highest response of single `conv5_3` units, with the pixels that cause it."""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graph.atomic_write import replacement
from graph.errors import InvalidInput
from graph.records import Progress, no_progress
from training.devices import choose_device, put
from training.evaluation.evaluation_lock import evaluation_lock
from training.evaluation.patches import Patches
from training.evaluation.receptive_field import measured_field
from training.evaluation.responses import SHOWN, Responses
from training.evaluation.stages import layer_outputs
from training.evaluation.subject import Subject
from training.evaluation.unit_file import Unit, Units, write_units
from training.evaluation.unit_sheet import draw_sheet

_BATCH = 64
_SAVE_EVERY = 16  # batches
HALF = 0.5  # a pixel is in the field if it counts at least half as much as the most important one


def evaluate_units(
    subject: Subject,
    patches: Patches,
    output: Path,
    *,
    units: tuple[int, ...] = (),
    most_selective: int = 8,
    device: str = "auto",
    progress: Progress = no_progress,
) -> list[Unit]:
    """Find the units' patches, measure their receptive fields, and write units.json and units.png into `output`.

    Args:
        subject: the network whose `conv5_3` is searched.
        patches: the patches to search; of each track, a unit gets one patch at most.
        output: folder of the results; a run that was stopped is resumed from its files.
        units: channels of `conv5_3`, or () for the most selective ones.
        most_selective: number of units if `units` is empty.
        device: where to compute.
        progress: receives the number of searched patches, then the number of measured fields.

    Raises:
        InvalidInput: there are fewer than six patches, a unit does not exist or never responds, or the trunk is not
            VGG16's.
        Conflict: another run writes into `output`.
    """
    channels = _channels(subject)
    if wrong := [unit for unit in units if not 0 <= unit < channels]:
        raise InvalidInput(f"There is no unit {wrong[0]}: conv5_3 of {subject.id} has units 0 to {channels - 1}.")
    if len(set(patches.tracks)) < SHOWN:
        raise InvalidInput(f"Only {len(set(patches.tracks))} pictures to search. Give {SHOWN} or more.")
    with evaluation_lock(output, "units"):
        chosen = choose_device(device)
        put(subject.network, chosen)
        identity = f"{subject.id} {patches.fingerprint}"
        responses = _scan(subject, patches, output / "units-scan.json", identity, chosen, progress)
        numbers = list(units) or responses.most_selective(most_selective)
        found, rows = [], []
        for done, number in enumerate(numbers):

            def measured(fields: int, before: int = done * SHOWN) -> None:
                progress("units, receptive fields", before + fields, len(numbers) * SHOWN, "patches")

            unit, pictures, fields = _measure(
                subject, patches, responses, number, chosen, output / "fields", identity, measured
            )
            found.append(unit)
            rows.append((f"unit {number}", pictures, fields))
        with replacement(output / "units.png") as temporary:
            draw_sheet(rows, HALF).save(temporary, "PNG")
        write_units(output, Units(subject.id, "conv5_3", len(patches.ids), patches.are_graphs, found))
    return found


def _channels(subject: Subject) -> int:
    return [layer.out_channels for layer in subject.features if isinstance(layer, nn.Conv2d)][-1]


def conv5_3(subject: Subject, images: Tensor) -> Tensor:
    """Return the responses of conv5_3 after its ReLU, (N, C, H/16, W/16), for normalised (N, 3, H, W)."""
    last = max(place for place, layer in enumerate(subject.features) if isinstance(layer, nn.ReLU))
    for place, output in enumerate(layer_outputs(subject, images)):
        if place == last:
            return output
    raise AssertionError("VGG16 has a ReLU")


@torch.inference_mode()
def _scan(
    subject: Subject, patches: Patches, file: Path, identity: str, device: torch.device, progress: Progress
) -> Responses:
    responses = Responses.load(file, identity, _channels(subject))
    for batch, first in enumerate(range(responses.searched, len(patches.ids), _BATCH), start=1):
        rows = range(first, min(first + _BATCH, len(patches.ids)))
        images = subject.network.prepare(torch.from_numpy(patches.read(rows)).to(device))
        maps = conv5_3(subject, images).float().cpu().numpy()
        responses.add(maps, [patches.tracks[row] for row in rows])
        if batch % _SAVE_EVERY == 0 or rows.stop == len(patches.ids):
            responses.save(file, identity)
        progress("units, responses", rows.stop, len(patches.ids), "patches")
    return responses


def _measure(
    subject: Subject,
    patches: Patches,
    responses: Responses,
    number: int,
    device: torch.device,
    folder: Path,
    identity: str,
    measured: Callable[[int], None],
) -> tuple[Unit, NDArray[np.uint8], NDArray[np.float32]]:
    """Return the unit, its patches (6, 96, 96, 3), and the effect of their pixels on the response (6, 96, 96).

    `measured` is told the number of patches whose field is known; the fields are kept in a file of `folder`.
    """
    top = responses.top[number]
    if not top or top[0].value <= 0:
        raise InvalidInput(f"Unit {number} of {subject.id} responds to no patch. Name another one.")
    pictures = patches.read([one.row for one in top])
    key = blake2b(f"{identity} {number} {[one.row for one in top]}".encode(), digest_size=8).hexdigest()
    file = folder / f"unit-{number}-{key}.npy"  # a resumed run measures the next unit
    if file.is_file():
        fields: NDArray[np.float32] = np.load(file)
    else:
        images = subject.network.prepare(torch.from_numpy(pictures).to(device))
        every = []
        for place, (image, one) in enumerate(zip(images, top, strict=True)):
            measured(place)

            def respond(occluded: Tensor, row: int = one.y, column: int = one.x) -> Tensor:
                return conv5_3(subject, occluded)[:, number, row, column]

            every.append(measured_field(respond, image[None], seed=number))
        fields = np.stack(every)
        with replacement(file) as temporary, temporary.open("wb") as writer:
            np.save(writer, fields)
    measured(SHOWN)
    unit = Unit(
        number,
        responses.selectivity()[number].item(),
        [patches.ids[one.row] for one in top],
        [one.value for one in top],
        [float((field >= HALF).sum() ** 0.5) for field in fields],
    )
    return unit, pictures, fields
