"""The input of one training: the data that a recipe reads from a source, and mini-batches on the device."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from graph.errors import InvalidInput
from training.batches import Cursor, ranking_batches
from training.context_stream import context_batches
from training.contrast_stream import ContrastPictures
from training.distributed import share
from training.links import Links
from training.pixels import PatchPixels
from training.recipe import Recipe
from training.source import PatchTable, TrainingSource
from training.source_checks import check_learnable
from training.step import StepInput, to_input

KEEP_ON_CPU = 2 * 1024**3  # bytes of decoded patches kept in memory
KEEP_ON_GPU = 0.4  # the same limit on a GPU, as a share of its free memory
_SIZES = 8  # of a batch on a GPU


@dataclass(frozen=True)
class TrainingData:
    """Patch table, links, decoded patches and frames of one source."""

    source: TrainingSource
    recipe: Recipe
    device: torch.device
    table: PatchTable
    links: Links
    pixels: PatchPixels
    frames: list[bytes]

    @staticmethod
    def read(source: TrainingSource, recipe: Recipe, device: torch.device) -> "TrainingData":
        """Read what `recipe` needs; raises `InvalidInput` if there is nothing to learn from."""
        table = source.table()
        uses_frames = (recipe.predict_context or recipe.contrast_pictures > 0) and recipe.iterations > 0
        frames = list(source.frames()) if uses_frames else []
        if uses_frames and not frames:
            task = "context prediction" if recipe.predict_context else "contrast"
            raise InvalidInput(f"There is no frame for {task}. Ingest videos, or give --images.")
        if recipe.has_ranking_loss:
            check_learnable(table, recipe)
        pixels = PatchPixels(source, table, device, _bytes_to_keep(device))
        return TrainingData(source, recipe, device, table, Links(table, source), pixels, frames)

    def inputs(self, seed: int, first: int, cursor: Cursor) -> Iterator[tuple[StepInput, Cursor]]:
        """Yield the inputs of step `first` and all later steps, each with the cursor after its batch."""
        recipe, device = self.recipe, self.device
        # A GPU selects kernels by shape, and shared patches change the shape, so batches are padded to a few sizes.
        multiple = max(1, recipe.ranked_per_step // _SIZES) if device.type == "cuda" else 1
        context = ranking = contrast = None
        if recipe.has_ranking_loss:
            rankings = ranking_batches(self.source, recipe, self.table, self.links, seed, first, cursor)
        if recipe.predict_context:
            contexts = context_batches(self.frames, recipe, seed, first, device, self.pixels.threads)
        if recipe.contrast_pictures:
            pictures = ContrastPictures(self.frames, recipe, device, _bytes_to_keep(device), self.pixels.threads)
        for step in range(first, recipe.iterations):
            if recipe.predict_context:
                context = next(contexts)
            if recipe.has_ranking_loss:
                ranking = next(rankings)
            if recipe.contrast_pictures:
                contrast = pictures.batch(seed, step)
            to_rank = self.pixels.get(share(ranking.rows, multiple)) if ranking else None
            yield to_input(ranking, to_rank, context, contrast, device), ranking.cursor if ranking else Cursor()

    def close(self) -> None:
        """Stop the decoding threads."""
        self.pixels.close()


def _bytes_to_keep(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * KEEP_ON_GPU)
    return KEEP_ON_CPU
