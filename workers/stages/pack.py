"""The stage that exports one generation of the graph as a training pack (training/pack.py)."""

from pathlib import Path

from graph.generation_batches import bucket_of
from graph.generations import Generation
from training.pack import write_pack
from workers.training_source import GraphSource
from workers.workplace import Workplace


def export_pack(place: Workplace, linked: Generation, path: Path) -> int:
    """Write the pack of a generation, replacing the file atomically; returns its size in bytes."""

    def bucket(a: str, b: str) -> int:
        return bucket_of(a, b, linked.buckets)

    return write_pack(GraphSource(place, linked), path, bucket, linked.buckets)
