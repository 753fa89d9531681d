"""From one generation of the graph to a training pack: everything a training reads, in one file."""

from pathlib import Path

from graph.generation_batches import bucket_of
from graph.generations import Generation
from graph.records import Quadruple
from training.pack import write_pack
from workers.training_source import GraphSource
from workers.workplace import Workplace


def export_pack(place: Workplace, linked: Generation, path: Path) -> int:
    """Write the pack of a generation, whole or not at all; returns its size in bytes."""

    def bucket(quadruple: Quadruple) -> int:
        return bucket_of(quadruple.a, quadruple.b, linked.buckets)

    return write_pack(GraphSource(place, linked), path, bucket, linked.buckets)
