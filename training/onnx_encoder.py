"""Encoders of pictures in ONNX files, run by onnxruntime, to link and search by features of other projects.

A file is copied into a folder beside the trained models. The model's name is a hash of the file's SHA-256 and of the
input parameters. A file of `transitive export-model` has the outputs `pool5` and `embedding`; any other encoder has one
vector per picture, which serves as both.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graph.atomic_write import atomic_write
from graph.errors import InvalidInput, NoDevice, NotFound, StorageError
from graph.records import ONNX_RECIPE, Model
from training.model_folder import CARD, card_model, read_card
from training.pictures import SIDE, pictures_to_patches

FILE = "encoder.onnx"
_BATCH = 64
_KINDS: dict[str, Any] = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
_VECTORS = ("pool5", "image_embeds", "pooler_output", "embedding", "features")  # outputs to choose first, by name
# The names that exporters use for these numbers in a file's metadata.
_METADATA = {
    "size": ("size", "input_size", "image_size"),
    "mean": ("mean", "image_mean"),
    "deviation": ("deviation", "std", "image_std"),
}


@dataclass(frozen=True, slots=True)
class GivenNumbers:
    """A user's parameters of an encoder's input; they override those of the file."""

    size: int = 0  # side in pixels; 0: not given
    mean: tuple[float, ...] = ()  # of red, green and blue, for pixels from 0 to 1 (to 255 where a number is above 1)
    deviation: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class OnnxInput:
    """The input and output parameters of an encoder."""

    name: str
    kind: str  # onnxruntime's name of its type
    size: int  # side of the square picture in pixels
    channels_last: bool  # (N, H, W, 3) instead of (N, 3, H, W)
    batch: int  # number of pictures per call, if the file fixes it; 0: any
    mean: tuple[float, ...]  # subtracted; () for whole pixels
    deviation: tuple[float, ...]  # divided by
    vector: str  # output of the features
    embedding: str  # output of the embedding


def inspect_onnx(data: bytes, name: str, given: GivenNumbers) -> OnnxInput:
    """Determine a file's parameters from its input, its metadata, and the given numbers.

    Raises `InvalidInput` that names the missing or wrong parameter, and `NoDevice` without onnxruntime.
    """
    session = _session(data, name, "cpu")
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _KINDS:
        raise InvalidInput(f"{name} takes no pictures: an encoder has one input, (N, 3, H, W) or (N, H, W, 3).")
    taken = inputs[0]
    batch, *shape = [side if isinstance(side, int) else 0 for side in taken.shape]
    channels_last = shape[2] == 3 and shape[0] != 3
    sides = {side for side in (shape[:2] if channels_last else shape[1:]) if side > 0}
    if (shape[2] if channels_last else shape[0]) not in (0, 3) or len(sides) > 1:
        raise InvalidInput(f"{name} takes {taken.shape}, no square pictures of three colours.")
    said = _metadata(session.get_modelmeta().custom_metadata_map)
    fixed = next(iter(sides), 0)
    side = given.size or fixed or int(max(said.get("size", (SIDE,))))
    if fixed and side != fixed:
        raise InvalidInput(f"{name} takes pictures of {fixed}×{fixed} pixels and no others. Leave --size out.")
    mean, deviation = given.mean or said.get("mean", ()), given.deviation or said.get("deviation", ())
    if taken.type != "tensor(uint8)" and not (len(mean) == len(deviation) == 3):
        raise InvalidInput(
            f"{name} does not say how its pictures are normalised. Give three numbers each, as for ImageNet: "
            "--mean 0.485,0.456,0.406 --deviation 0.229,0.224,0.225."
        )
    if not all(number > 0 for number in deviation):
        raise InvalidInput("--deviation divides: its numbers must be above 0.")
    if taken.type == "tensor(uint8)":
        mean = deviation = ()  # whole pixels: the file normalises them itself
    usable = _vectors(session)
    vector = next((known for known in _VECTORS if known in usable), usable[0])
    embedding = "embedding" if "embedding" in usable else vector
    return OnnxInput(taken.name, taken.type, side, channels_last, max(batch, 0), mean, deviation, vector, embedding)


def take_onnx(models: Path, file: Path, given: GivenNumbers, created_at: str) -> Model:
    """Copy a file below `models` with a model card, and return its model; a repeated call changes nothing.

    Raises what `inspect_onnx` raises.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read ({error.strerror}).") from None
    digest = sha256(data).hexdigest()
    described = inspect_onnx(data, file.name, given)
    numbers = blake2b(json.dumps(asdict(described), sort_keys=True).encode(), digest_size=2).hexdigest()
    identity = f"onnx-{digest[:16]}-{numbers}"
    folder = models / identity
    if (folder / CARD).is_file():
        return card_model(read_card(folder))
    tried = _run(_session(data, file.name, "cpu"), described, np.zeros((described.batch or 2, SIDE, SIDE, 3), np.uint8))
    widths = [tried[output].shape[1] for output in (described.vector, described.embedding)]
    model = Model(identity, ONNX_RECIPE, "", 0, widths[0], widths[1], created_at=created_at)
    about = {"name": file.name, "sha256": digest, "input": asdict(described)}
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / FILE, data)
    atomic_write(folder / CARD, json.dumps(asdict(model) | {"numbers": {}, "onnx": about}, indent=2) + "\n")
    return model


class OnnxEncoder:
    """An encoder of a model folder with an ONNX file; safe to share between threads."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        """Open the folder; raises `NotFound`, `StorageError` if the file is not the card's, or `NoDevice`."""
        card = read_card(folder)
        self.model = card_model(card)
        about = card["onnx"]
        try:
            data = (folder / FILE).read_bytes()
        except OSError:
            raise NotFound(f"{folder / FILE} is missing. Link by the file again (--features onnx:FILE).") from None
        if sha256(data).hexdigest() != about["sha256"]:
            raise StorageError(
                f"{folder / FILE} is damaged: its SHA-256 is not the card's. Remove {folder}, link again."
            )
        numbers: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in about["input"].items()
        }
        self._input = OnnxInput(**numbers)
        self._session = _session(data, about["name"], device)

    @staticmethod
    def decode(pictures: Sequence[bytes]) -> NDArray[np.uint8]:
        """Decode N pictures to (N, 96, 96, 3); raises `InvalidInput` that names a bad one."""
        return pictures_to_patches([(f"Picture {number}", data) for number, data in enumerate(pictures, start=1)])

    def pool5(self, images: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Encode uint8 (N, 96, 96, 3) to float16 (N, D), the features to link by; raises `InvalidInput` on overflow."""
        with np.errstate(over="ignore"):
            vectors = self._encode(images, self._input.vector, self.model.pool5_dim).astype(np.float16)
        if not np.isfinite(vectors).all():
            raise InvalidInput(
                f"{self.model.id} gives NaN or numbers too large for float16. Check --mean and --deviation."
            )
        return vectors

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode uint8 (N, 96, 96, 3) to float32 (N, E) of length 1."""
        vectors = self._encode(images, self._input.embedding, self.model.embedding_dim)
        unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit

    def _encode(self, images: NDArray[np.uint8], output: str, width: int) -> NDArray[np.float32]:
        batch = self._input.batch or _BATCH
        parts = [np.empty((0, width), np.float32)]
        for first in range(0, len(images), batch):
            parts.append(_run(self._session, self._input, images[first : first + batch])[output])
        return np.concatenate(parts)


def _session(data: bytes, name: str, device: str) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise NoDevice("ONNX encoders need their extra: pip install 'transitive-invariance[onnx]'.") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    known = onnxruntime.get_available_providers()
    wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(data, options, providers=[one for one in wanted if one in known])
    except Exception as error:  # onnxruntime's errors have no common class of their own
        reason = str(error).strip().splitlines()[0]
        raise InvalidInput(f"{name} is not an ONNX file that can be run by itself ({reason}).") from None


def _run(session: Any, described: OnnxInput, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Encode up to one batch; returns the (N, D) vectors of each used output."""
    pixels = _resized(images, described.size)
    count = len(pixels)
    if described.batch > count:
        pixels = np.concatenate([pixels, np.repeat(pixels[-1:], described.batch - count, axis=0)])
    kind = _KINDS[described.kind]
    if described.mean:
        scale = 1.0 if max(*described.mean, *described.deviation) > 1 else 255.0
        mean, deviation = (np.array(numbers, np.float32) for numbers in (described.mean, described.deviation))
        pixels = (pixels.astype(np.float32) / scale - mean) / deviation
    if not described.channels_last:
        pixels = pixels.transpose(0, 3, 1, 2)
    wanted = list(dict.fromkeys((described.vector, described.embedding)))
    try:
        found = session.run(wanted, {described.name: np.ascontiguousarray(pixels.astype(kind))})
    except Exception as error:  # see _session
        raise InvalidInput(f"The ONNX encoder failed ({str(error).strip().splitlines()[0]}).") from None
    return {name: _flat(value)[:count].astype(np.float32) for name, value in zip(wanted, found, strict=True)}


def _resized(images: NDArray[np.uint8], side: int) -> NDArray[np.generic]:
    if images.shape[1:3] == (side, side):
        return images
    resized = [Image.fromarray(one).resize((side, side), Image.Resampling.BILINEAR) for one in images]
    return np.stack([np.asarray(one) for one in resized])


def _flat(value: NDArray[Any]) -> NDArray[Any]:
    """Average a feature map (N, C, H, W) over its positions; (N, D) is unchanged."""
    return value.mean(axis=(2, 3), dtype=np.float32) if value.ndim == 4 else value


def _vectors(session: Any) -> list[str]:
    """List the outputs with one vector per picture, then those with one map; raises `InvalidInput` if there is none."""
    outputs = session.get_outputs()
    found = [str(one.name) for rank in (2, 4) for one in outputs if len(one.shape) == rank]
    if not found:
        raise InvalidInput("The encoder has no output with one vector per picture, (N, D) or (N, C, H, W).")
    return found


def _metadata(found: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
    out = {}
    for name, keys in _METADATA.items():
        text = next((found[key] for key in keys if key in found), "")
        numbers = tuple(float(number) for number in re.findall(r"-?\d+\.?\d*(?:[eE][+-]?\d+)?", text))
        if numbers:
            out[name] = numbers
    return out
