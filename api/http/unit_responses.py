"""The units of a network that respond to a patch, computed from the pool5 features that linking stored (figure 8).

A unit is a channel of the last convolution, `conv5_3`. Its response to a patch is the maximum of its map. pool5 takes
the maximum of each of the 3×3 parts of that map, so the maximum over the nine numbers of a channel is the response.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from cachetools import TTLCache
from numpy.typing import NDArray

from graph.connection import Connection
from graph.errors import NotFound
from graph.generations.catalogue import require_generation
from graph.models import newest_models
from graph.records import ONNX_RECIPE
from graph.shards import Shards

LAYER = "conv5_3"
POSITIONS = 9  # of pool5 at 96×96 pixels
COMPARED = 2000  # patches to which a response is compared
SHOWN = 4  # units of a patch
EXAMPLES = 6  # other patches of a unit, as in figure 8
KEPT_S = 300.0  # a comparison with patches that were deleted a few minutes ago does no harm

Maxima = NDArray[np.float32]  # (N, C): the response of each of C units to N patches


@dataclass(frozen=True, slots=True)
class UnitResponse:
    """The response of one unit to a patch."""

    model: str
    number: int
    response: float
    deviations: float  # distance from the mean response of the compared patches, in standard deviations
    compared: int
    others: list[str]  # patches of other videos to which the unit responds most


@dataclass(frozen=True, slots=True)
class _Sample:
    """Responses to a part of all patches."""

    ids: list[str]
    videos: list[str]
    responses: Maxima


class UnitResponses:
    """Finds the units that respond to a patch; safe to share between threads."""

    def __init__(self, connection: Connection, shards: Shards, marked: Callable[[], frozenset[str]]) -> None:
        """Read the features in `shards`; the graph names the model that linking used, `marked` the hidden patches."""
        self._connection, self._shards, self._marked = connection, shards, marked
        self._samples: TTLCache[str, _Sample] = TTLCache(2, KEPT_S)
        self._lock = threading.Lock()

    def of_patch(self, patch: str, video: str) -> list[UnitResponse]:
        """Return the units whose response to the patch deviates most from their mean, the highest first.

        [] if no network's features of the patch are stored, as before the first linking and after a linking by HOG.
        """
        model = self._feature_model()
        if not model:
            return []
        try:
            ids, features = self._shards.read_vectors(f"features/{model}/{video}")
        except NotFound:
            return []
        if patch not in ids:
            return []
        own = maxima(features[ids.index(patch)][None])[0]
        sample = self._sample(model)
        hidden = self._marked()
        shown = [other != video and one not in hidden for one, other in zip(sample.ids, sample.videos, strict=True)]
        return _strongest(model, own, sample, np.array(shown, bool))

    def _feature_model(self) -> str:
        """Return the model of the current generation's features, else the newest model with features, else ""."""
        stored = set(self._shards.folders("features"))
        networks = [
            model.id
            for model in newest_models(self._connection)
            if model.id in stored and model.recipe != ONNX_RECIPE and model.pool5_dim % POSITIONS == 0
        ]
        try:
            linked_by = require_generation(self._connection).feature_model
        except NotFound:
            linked_by = ""
        return linked_by if linked_by in networks else next(iter(networks), "")

    def _sample(self, model: str) -> _Sample:
        with self._lock:
            found = self._samples.get(model)
            if found is None:
                found = self._samples[model] = self._read_sample(model)
            return found

    def _read_sample(self, model: str) -> _Sample:
        """Read the responses to about `COMPARED` patches, from videos spread over all of them."""
        names = self._shards.names(f"features/{model}")
        ids: list[str] = []
        videos: list[str] = []
        parts: list[Maxima] = []
        for video in spread(names):
            try:
                own, features = self._shards.read_vectors(f"features/{model}/{video}")
            except NotFound:  # deleted after the folder was listed
                continue
            ids += own
            videos += [video] * len(own)
            parts += [maxima(features)] if own else []
            if len(ids) >= COMPARED:
                break
        return _Sample(ids, videos, np.concatenate(parts) if parts else np.empty((0, 0), np.float32))


def maxima(features: NDArray[np.floating]) -> Maxima:
    """Return the responses (N, C) from pool5 features (N, 9 C), in which the nine numbers of a channel are adjacent."""
    found: Maxima = features.reshape(len(features), -1, POSITIONS).max(2).astype(np.float32)
    return found


def spread(names: Sequence[str]) -> list[str]:
    """Return the names in an order whose beginnings are spread over all of them: first, middle, quarters and so on."""
    order = sorted(range(len(names)), key=lambda place: int(f"{place:032b}"[::-1], 2))
    return [names[place] for place in order]


def _strongest(model: str, own: Maxima, sample: _Sample, shown: NDArray[np.bool_]) -> list[UnitResponse]:
    """Return the units with the largest deviations, each with the patches of the sample that may be `shown`."""
    if not sample.ids:
        return []
    mean, deviation = sample.responses.mean(0), sample.responses.std(0)
    distances = np.divide(own - mean, deviation, out=np.zeros_like(own), where=deviation > 0)
    found = []
    for unit in np.argsort(-distances, kind="stable")[:SHOWN].tolist():
        if distances[unit] <= 0:
            break
        responses = np.where(shown, sample.responses[:, unit], 0)
        order = np.argsort(-responses, kind="stable")[:EXAMPLES].tolist()
        others = [sample.ids[row] for row in order if responses[row] > 0]
        found.append(UnitResponse(model, unit, float(own[unit]), float(distances[unit]), len(sample.ids), others))
    return found
