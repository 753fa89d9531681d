"""The public Python names of Transitive Invariance.

Each name is imported from its module at first use, so the use of `Client` does not import torch or OpenCV.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api.client import Client
    from graph.connection import Connection
    from graph.errors import TransitiveError
    from graph.generations.catalogue import require_generation
    from graph.queries.explain import why_alike
    from graph.queries.quadruples import stream
    from graph.records import Model, Patch, Video
    from graph.settings import Settings, load_settings
    from graph.shards import Shards
    from training.encoder import Encoder
    from training.loop import train
    from training.pack import PackSource
    from training.recipes import get_recipe
    from workers.mining.video import mine

__all__ = [
    "Client",
    "Connection",
    "Encoder",
    "Model",
    "PackSource",
    "Patch",
    "Settings",
    "Shards",
    "TransitiveError",
    "Video",
    "get_recipe",
    "load_settings",
    "mine",
    "require_generation",
    "stream",
    "train",
    "why_alike",
]

_MODULE_OF = {
    "Client": "api.client",
    "Connection": "graph.connection",
    "Encoder": "training.encoder",
    "Model": "graph.records",
    "PackSource": "training.pack",
    "Patch": "graph.records",
    "Settings": "graph.settings",
    "Shards": "graph.shards",
    "TransitiveError": "graph.errors",
    "Video": "graph.records",
    "get_recipe": "training.recipes",
    "load_settings": "graph.settings",
    "mine": "workers.mining.video",
    "require_generation": "graph.generations.catalogue",
    "stream": "graph.queries.quadruples",
    "train": "training.loop",
    "why_alike": "graph.queries.explain",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
