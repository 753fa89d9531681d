"""The training of one recipe on one source, from initial weights to a finished model's folder.

Everything random in step n is drawn from (seed, n), and the rest of the state is in the checkpoint: a training that was
killed at any moment and resumed has the same losses as one that was not (bit for bit on a CPU).
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from graph.atomic_write import TEMPORARY_SUFFIX
from graph.errors import Cancelled, Conflict, NoDevice, NotFound
from graph.records import Model, Progress, no_progress
from training import state as training_state
from training.alarms import Alarms
from training.checkpoints import Identity, has_checkpoint
from training.devices import choose_device, deterministic, put
from training.distributed import is_main, process_group, rank_and_world_size, wrap
from training.failures import not_finite, too_large
from training.folding import fold_batch_norm, rescale_layers
from training.held_out import HeldOut, sample_frames
from training.initial_weights import load_initial_weights
from training.inputs import TrainingData
from training.journal import Journal, draw_curves
from training.model_folder import CARD, card_model, model_id, read_card, write_model
from training.networks import Network
from training.prefetch import Prefetch
from training.recipe import Recipe
from training.schedule import learning_rate, make_optimiser
from training.source import TrainingSource
from training.source_checks import check_links
from training.state import TrainingState
from training.step import StepInput, compute_loss


def train(
    recipe: Recipe,
    source: TrainingSource,
    output: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    resume: bool | None = None,
    initial: Path | None = None,
    progress: Progress = no_progress,
) -> Model:
    """Train `recipe` on `source` into the folder `output`, or return the finished model that the folder already holds.

    Args:
        recipe: from `get_recipe`.
        source: patches, pairs and pixels.
        output: the model's folder; its name is `model_id`, a hash of everything that determines the result.
        seed: of every random draw.
        device: "auto", "cpu", "cuda" or "cuda:N".
        resume: True continues from the checkpoint and fails without one, False needs a folder without one, None
            continues if there is one.
        initial: folder of the model whose convolutions the recipe starts from; for `imagenet` a file of weights
            (None: torchvision's download).
        progress: called after every step; if it raises `Cancelled`, a checkpoint is saved and the training ends.

    Raises:
        InvalidInput: the source lacks pairs or negatives, the initial weights do not fit, or the links are of the wrong
            kind.
        Conflict: the folder belongs to another training.
        NotFound: there is no checkpoint to resume from, or no initial model.
        NoDevice: the device does not exist, or its memory is too small.
        StorageError: a patch is missing, the disk is full, or a checkpoint is truncated.
        Cancelled: raised by `progress`.
    """
    chosen = choose_device(device)
    if recipe.needs_cuda and chosen.type != "cuda":
        raise NoDevice(f"Preset {recipe.preset} needs a CUDA device. Use --preset cpu-small or demo, or paper.")
    check_links(recipe, source)
    with deterministic(chosen, same_shapes=not recipe.predict_context), process_group(chosen) as chosen:
        try:
            return _train(recipe, source, output, seed, chosen, resume, initial, progress)
        except torch.OutOfMemoryError:
            raise too_large(recipe, chosen) from None


@dataclass(frozen=True)
class Training:
    """The parts of a running training that stay the same from step to step."""

    recipe: Recipe
    seed: int
    output: Path
    identity: Identity
    network: Network
    model: nn.Module  # the network as it is called: perhaps compiled, or wrapped for several ranks
    optimiser: torch.optim.Optimizer

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint."""
        if is_main():
            training_state.save(self.output, self.identity, self.network, self.optimiser, state)

    def load(self) -> TrainingState:
        """Restore weights, optimiser and random state from the checkpoint; returns the saved state."""
        return training_state.load(self.output, self.identity, self.network, self.optimiser)


def train_step(
    training: Training, inputs: StepInput, step: int, measure: bool
) -> tuple[float, dict[str, Tensor | float]]:
    """Do one step of the optimiser; returns the loss, and measures by name.

    `measure` adds the measures that cost time. A loss that is not finite raises `TransitiveError` before it reaches the
    weights, and the batch is saved.
    """
    recipe, optimiser = training.recipe, training.optimiser
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(recipe, step)
    loss, measures = compute_loss(training.model, training.network, recipe, inputs, training.seed, step, measure)
    value = loss.item()
    if not math.isfinite(value):
        raise not_finite(training.output, training.network, inputs, recipe, training.seed, step, value)
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    if recipe.gradient_clip:
        torch.nn.utils.clip_grad_norm_(training.network.parameters(), recipe.gradient_clip)
    optimiser.step()
    return value, measures


def _train(
    recipe: Recipe,
    source: TrainingSource,
    output: Path,
    seed: int,
    device: torch.device,
    resume: bool | None,
    initial: Path | None,
    progress: Progress,
) -> Model:
    # -- Identity: what is trained, and whether that was done before ----------------------------------------------
    torch.manual_seed(seed)
    network = Network(recipe)
    started_from = load_initial_weights(network, recipe, initial)
    name = model_id(recipe, source.generation, source.fingerprint, started_from, seed)
    if (output / CARD).is_file():
        return _finished_model(output, name)
    _check_resume(output, resume)
    output.mkdir(parents=True, exist_ok=True)

    # -- Data, network, optimiser ---------------------------------------------------------------------------------
    data = TrainingData.read(source, recipe, device)
    held_out = HeldOut.choose(data.table, data.links, data.pixels)
    network = put(network, device)
    model: nn.Module = wrap(network)
    if recipe.compiles:
        model.compile()
    identity = Identity(recipe.numbers(), source.generation, source.fingerprint, seed, started_from)
    training = Training(recipe, seed, output, identity, network, model, make_optimiser(recipe, network))

    # -- Where to begin -------------------------------------------------------------------------------------------
    if has_checkpoint(output):
        state = training.load()
    else:
        state = TrainingState(Alarms(recipe.margin), before=held_out.measure(network, device))
    journal = None
    if is_main():
        for unfinished in output.rglob(f"*{TEMPORARY_SUFFIX}"):  # of a process that was killed while it wrote
            unfinished.unlink()
        journal = Journal(output, state.step)

    # -- The loop -------------------------------------------------------------------------------------------------
    network.train()
    loader = Prefetch(partial(data.inputs, seed, state.step, state.cursor))
    clock = logged_at = time.perf_counter()
    images_at_log = state.images
    text = ""
    try:
        while state.step < recipe.iterations:
            inputs, cursor = loader.next()
            last = state.step + 1 == recipe.iterations
            logs = last or (state.step + 1) % recipe.log_every == 0
            loss, measures = train_step(training, inputs, state.step, measure=logs)
            state.step, state.cursor = state.step + 1, cursor
            state.images += len(inputs.allowed) + len(inputs.patches) * rank_and_world_size()[1]
            state.images += 2 * len(inputs.picture_numbers)

            if journal is not None and logs:
                elapsed = time.perf_counter() - logged_at
                numbers = {key: float(number) for key, number in measures.items()}
                numbers["learning_rate"] = learning_rate(recipe, state.step - 1)
                numbers["images_per_s"] = (state.images - images_at_log) / elapsed
                numbers["waiting"] = loader.waited / elapsed
                metrics = held_out.measure(network, device) if last or state.step % recipe.held_out_every == 0 else {}
                journal.write(state.step, loss, numbers, metrics, _new_alarms(state.alarms, numbers, metrics))
                text, state.waited = in_words(loss, numbers), state.waited + loader.waited
                logged_at, images_at_log, loader.waited = time.perf_counter(), state.images, 0.0

            state.seconds += time.perf_counter() - clock
            clock = time.perf_counter()
            if state.step % recipe.checkpoint_every == 0 and not last:
                training.save(state)
            if is_main():
                progress(f"train {recipe.name}{text}", state.step, recipe.iterations, "steps")
    except Cancelled:
        training.save(state)
        raise
    finally:
        loader.close()
        data.close()
        if journal is not None:
            journal.close()

    # -- The finished model ---------------------------------------------------------------------------------------
    if network.norms and is_main():
        fold_batch_norm(network)
        rescale_layers(network, network.prepare(sample_frames(data.frames, device)))
    record = Model(
        id=name,
        recipe=recipe.name,
        preset=recipe.preset,
        step=state.step,
        pool5_dim=network.pool5_dim,
        embedding_dim=network.embedding_dim,
        generation=source.generation,
        created_at=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
    if is_main():
        facts = {
            "seed": seed,
            "initial": started_from,
            "fingerprint": source.fingerprint,
            "feature_model": source.feature_model,
            "images_encoded": state.images,
            "seconds": round(state.seconds, 1),
            "waiting": round(state.waited / state.seconds, 4) if state.seconds else 0.0,  # share of them
            "measures": {"before": state.before, "after": held_out.measure(network, device)},
            "alarms": state.alarms.sounded,
        }
        write_model(output, network, recipe, record, facts)
        draw_curves(output)
    return record


def _finished_model(output: Path, name: str) -> Model:
    card = read_card(output)
    if card["id"] != name:
        raise Conflict(f"{output} holds the finished model {card['id']}, not {name}. Give another --output.")
    return card_model(card)


def _check_resume(output: Path, resume: bool | None) -> None:
    if resume is True and not has_checkpoint(output):
        raise NotFound(f"{output} holds no checkpoint, so there is nothing to resume. Train without --resume.")
    if resume is False and has_checkpoint(output):
        raise Conflict(f"{output} holds an interrupted training. Give --resume to continue, or delete the folder.")


def _new_alarms(alarms: Alarms, numbers: Mapping[str, float], metrics: Mapping[str, float]) -> list[str]:
    texts = []
    if "effective_rank" in numbers:
        hinge, without = numbers.get("mean_hinge"), numbers.get("without_negative", 0.0)
        texts = alarms.watch_batch(hinge, numbers["effective_rank"], without)
    return texts + alarms.watch_held_out(metrics)


def in_words(loss: float, numbers: Mapping[str, float]) -> str:
    """Return the progress text: " · loss 0.31 · active 62 % · 80 images/s · waiting 0 %"."""
    shown = [("active", "active {:.0%}"), ("context_accuracy", "context {:.0%}"), ("images_per_s", "{:.0f} images/s")]
    parts = [f"loss {loss:.3f}"]
    parts += [form.format(numbers[name]) for name, form in [*shown, ("waiting", "waiting {:.0%}")] if name in numbers]
    return "".join(f" · {part}" for part in parts)
