"""Export of one generation of the graph as a training pack (`training.pack`)."""

from pathlib import Path

from graph.generations.batches import bucket_of
from graph.generations.catalogue import Generation
from training.pack import write_pack
from workers.stage_context import StageContext
from workers.training_source import GraphSource


def export_pack(context: StageContext, linked: Generation, path: Path) -> int:
    """Write the pack of a generation, replacing the file atomically; returns its size in bytes."""

    def bucket(a: str, b: str) -> int:
        return bucket_of(a, b, linked.buckets)

    return write_pack(GraphSource(context, linked), path, bucket, linked.buckets)
