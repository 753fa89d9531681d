"""A recipe and a source of patches come in, a folder with a trained network goes out. Read top to bottom.

Everything random in step n is drawn from (seed, n), and the rest of the state is in the checkpoint: a training killed
at any moment and resumed meets the same losses as one that was not (bit for bit on a CPU).
"""

import math
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
from torch import nn

from graph.errors import Cancelled, Conflict, InvalidInput, NoDevice, NotFound
from graph.records import Model, Progress, no_progress
from training.alarms import Alarms
from training.batches import Cursor, Links, check_learnable, ranking_batches
from training.checkpoints import Identity, has_checkpoint, load_checkpoint, save_checkpoint
from training.context_stream import context_batches
from training.devices import choose_device, put, steady
from training.distributed import ranks, share, world, wrap
from training.failures import not_finite, too_large
from training.folding import fold_batch_norm, rescale_layers
from training.heldout import HeldOut
from training.journal import Journal, draw_curves
from training.model_folder import CARD, card_model, load_trunk, model_id, read_card, write_model
from training.networks import Network
from training.pixels import PatchPixels
from training.prefetch import Prefetch
from training.recipes import Recipe
from training.source import TrainingSource
from training.starts import start_from_imagenet
from training.step import StepInput, compute_loss, to_input

HOLD_ON_CPU = 2 * 1024**3  # bytes of decoded patches kept in memory
HOLD_ON_GPU = 0.4  # share of the GPU's free memory for the same
_SIZES = 8  # of a batch on a GPU


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
    """Train `recipe` on `source` into the folder `output`, or return the finished model that is there already.

    Args:
        recipe: from `get_recipe`.
        source: patches, pairs and pixels.
        output: the model's folder; `model_id` names it by what decides the result.
        seed: of every random draw.
        device: "auto", "cpu", "cuda" or "cuda:N".
        resume: True goes on from the checkpoint and fails without one, False wants a folder without one, None
            goes on if there is one.
        initial: folder of the context model for recipes that start from it; for `imagenet` a file of weights
            (None: torchvision's download).
        progress: told the step; its `Cancelled` saves a checkpoint and ends the training.

    Raises:
        InvalidInput: nothing to learn from, no negatives, a wrong start, links of the wrong kind.
        Conflict: the folder belongs to another training.
        NotFound: `resume` with nothing to resume, or no initial model.
        NoDevice: the device is not there, or its memory is too small.
        StorageError: a patch is missing, the disk is full, a checkpoint is cut short.
        Cancelled: `progress` raised it.
    """
    chosen = choose_device(device)
    if recipe.needs_cuda and chosen.type != "cuda":
        raise NoDevice(f"Preset {recipe.preset} needs a CUDA device. Use --preset cpu-small or demo, or paper.")
    check_links(recipe, source)
    with steady(chosen, same_shapes=not recipe.predict_context), ranks(chosen) as chosen:
        try:
            return _train(recipe, source, output, seed, chosen, resume, initial, progress)
        except torch.OutOfMemoryError:
            raise too_large(recipe, chosen) from None


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
    # -- What is trained, and whether that was done before ------------------------------------------------------
    torch.manual_seed(seed)
    network = Network(recipe)
    started_from = _start(network, recipe, initial)
    identity = Identity(recipe.numbers(), source.generation, source.fingerprint, seed, started_from)
    name = model_id(recipe, source.generation, source.fingerprint, started_from, seed)
    if (output / CARD).is_file():
        card = read_card(output)
        if card["id"] != name:
            raise Conflict(f"{output} holds the finished model {card['id']}, not {name}. Give another --output.")
        return card_model(card)
    if resume is True and not has_checkpoint(output):
        raise NotFound(f"{output} holds no checkpoint, so there is nothing to resume. Train without --resume.")
    if resume is False and has_checkpoint(output):
        raise Conflict(f"{output} holds an interrupted training. Give --resume to go on, or delete the folder.")
    output.mkdir(parents=True, exist_ok=True)

    # -- Data ---------------------------------------------------------------------------------------------------
    table = source.table()
    frames = list(source.frames()) if recipe.predict_context and recipe.iterations else []
    if recipe.predict_context and recipe.iterations and not frames:
        raise InvalidInput("There is no frame to learn context prediction from. Ingest videos, or give --images DIR.")
    if recipe.ranks:
        check_learnable(table, recipe)
    links = Links(table, source)
    pixels = PatchPixels(source, table, device, _hold_bytes(device))
    held_out = HeldOut.choose(table, links, pixels)

    # -- Network, optimiser, schedule ---------------------------------------------------------------------------
    network = put(network, device)
    model: nn.Module = wrap(network)
    if recipe.compiles:
        model.compile()
    optimiser = make_optimiser(recipe, network)

    # -- Where to begin -----------------------------------------------------------------------------------------
    step, cursor, images, seconds, waited, text = 0, Cursor(), 0, 0.0, 0.0, ""
    alarms = Alarms(recipe.margin)
    before = held_out.measure(network, device)
    if has_checkpoint(output):
        state = load_checkpoint(output, identity)
        network.load_state_dict(state["weights"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        step, cursor, images = state["step"], Cursor(**state["cursor"]), state["images"]
        seconds, waited = state["seconds"], state["waited"]
        alarms, before = Alarms(**state["alarms"]), state["before"]
    main = world()[0] == 0
    if main:
        for unfinished in output.rglob("*.partial"):  # of a process that was killed while it wrote
            unfinished.unlink()
    journal = Journal(output, step) if main else None

    def save() -> None:
        if main:
            state = {"optimiser": optimiser.state_dict(), "random": torch.get_rng_state(), "step": step}
            state |= {"cursor": vars(cursor), "images": images, "seconds": seconds, "waited": waited}
            state |= {"alarms": alarms.state(), "before": before}
            save_checkpoint(output, identity, network.state_dict(), state)

    # A GPU chooses its kernels by shape, and quadruples that share a patch change it: batches come in a few sizes.
    multiple = max(1, recipe.ranked_per_step // _SIZES) if device.type == "cuda" else 1

    def batches(first: int, behind: Cursor) -> Iterator[tuple[StepInput, Cursor]]:
        context = ranking = None
        if recipe.ranks:
            stream = ranking_batches(source, recipe, table, links, seed, first, behind)
        if recipe.predict_context:
            contexts = context_batches(frames, recipe, seed, first, device, pixels.threads)
        for _ in range(first, recipe.iterations):
            if recipe.predict_context:
                context = next(contexts)
            if recipe.ranks:
                ranking = next(stream)
            to_rank = pixels.get(share(ranking.rows, multiple)) if ranking else None
            yield to_input(ranking, to_rank, context, device), ranking.cursor if ranking else Cursor()

    # -- The loop -----------------------------------------------------------------------------------------------
    network.train()
    loader = Prefetch(partial(batches, step, cursor))
    clock = logged_at = time.perf_counter()
    encoded = 0
    try:
        while step < recipe.iterations:
            inputs, after = loader.next()
            logs = (step + 1) % recipe.log_every == 0 or step + 1 == recipe.iterations
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(recipe, step)

            loss, measures = compute_loss(model, network, recipe, inputs, seed, step, measure=logs)
            if not math.isfinite(value := loss.item()):
                raise not_finite(output, network, inputs, recipe, seed, step, value)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            if recipe.gradient_clip:
                torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip)
            optimiser.step()
            step, cursor = step + 1, after
            encoded_now = len(inputs.allowed) + len(inputs.patches) * world()[1]
            encoded, images = encoded + encoded_now, images + encoded_now

            if main and logs:
                now = time.perf_counter()
                numbers = {key: float(number) for key, number in measures.items()}
                numbers |= {"learning_rate": learning_rate(recipe, step - 1)}
                numbers |= {"images_per_s": encoded / (now - logged_at), "waiting": loader.waited / (now - logged_at)}
                texts = []
                if "effective_rank" in numbers:
                    texts = alarms.watch_batch(
                        numbers["mean_hinge"], numbers["effective_rank"], numbers["without_negative"]
                    )
                if step % recipe.health_every == 0 or step == recipe.iterations:
                    measured = held_out.measure(network, device)
                    numbers |= {f"health_{key}": number for key, number in measured.items()}
                    texts += alarms.watch_health(measured)
                assert journal is not None  # noqa: S101
                journal.write(step, value, **numbers, **({"alarm": "; ".join(texts)} if texts else {}))
                text, waited = in_words(value, numbers), waited + loader.waited
                logged_at, encoded, loader.waited = time.perf_counter(), 0, 0.0
            seconds += time.perf_counter() - clock
            clock = time.perf_counter()
            if step % recipe.checkpoint_every == 0 and step < recipe.iterations:
                save()
            if main:
                progress(f"train {recipe.name}{text}", step, recipe.iterations, "steps")
    except Cancelled:
        save()
        raise
    finally:
        loader.close()
        pixels.close()
        if journal is not None:
            journal.close()

    # -- The finished model -------------------------------------------------------------------------------------
    if network.norms and main:
        fold_batch_norm(network)
        rescale_layers(network, network.prepare(held_out.sample(frames, device)))
    model_record = Model(
        id=name,
        recipe=recipe.name,
        preset=recipe.preset,
        step=step,
        pool5_dim=network.pool5_dim,
        embedding_dim=network.embedding_dim,
        generation=source.generation,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if main:
        facts = {
            "seed": seed,
            "initial": started_from,
            "fingerprint": source.fingerprint,
            "feature_model": source.feature_model,
            "images_encoded": images,
            "seconds": round(seconds, 1),
            "waiting": round(waited / seconds, 4) if seconds else 0.0,  # share of them spent waiting for data
            "measures": {"before": before, "after": held_out.measure(network, device)},
            "alarms": alarms.sounded,
        }
        write_model(output, network, recipe, model_record, facts)
        draw_curves(output)
    return model_record


def in_words(loss: float, numbers: Mapping[str, float]) -> str:
    """Say how a training goes, to stand behind its name: " · loss 0.31 · active 62 % · 80 images/s · waiting 0 %"."""
    shown = [("active", "active {:.0%}"), ("context_accuracy", "context {:.0%}"), ("images_per_s", "{:.0f} images/s")]
    parts = [f"loss {loss:.3f}"]
    parts += [form.format(numbers[name]) for name, form in [*shown, ("waiting", "waiting {:.0%}")] if name in numbers]
    return "".join(f" · {part}" for part in parts)


def make_optimiser(recipe: Recipe, network: Network) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over all weights."""
    if recipe.optimiser == "adam":
        return torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    return torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of `step`: a linear rise, then constant or half a cosine down to zero."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.decay == "constant":
        return recipe.learning_rate
    done = (step - recipe.warmup) / max(1, recipe.iterations - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def _start(network: Network, recipe: Recipe, initial: Path | None) -> str:
    """Give the network its first weights; returns the name of where they come from."""
    if recipe.initial == "imagenet":
        return start_from_imagenet(network, initial)
    if recipe.initial == "xavier":
        return ""
    if initial is None:
        raise InvalidInput(
            f"Recipe {recipe.name!r} starts from the convolutions of a context network (section 6) and none was given. "
            f"Run `transitive train context --preset {recipe.preset}` first."
        )
    return load_trunk(network, initial)


def check_links(recipe: Recipe, source: TrainingSource) -> None:
    """Raise `InvalidInput` where the source's links or tracks are not of the kind that the recipe is about."""
    if not recipe.ranks:
        return
    made_from = source.feature_model or "nothing"
    if recipe.links == "hog" and made_from != "hog":
        raise InvalidInput(
            f"Recipe {recipe.name!r} wants links made from HOG features; these were made from {made_from!r}. "
            "Run `transitive link --features hog` first."
        )
    if recipe.links != "hog" and made_from == "hog":
        raise InvalidInput(
            f"Recipe {recipe.name!r} wants links made from a network's features; these were made from HOG. "
            "Run `transitive link` first, or train transitive-hog."
        )
    # more than 30: videos of more than 40 frames a second, whose skipped frames count
    if (recipe.track_length == 15) != (source.track_length == 15):
        raise InvalidInput(
            f"Recipe {recipe.name!r} wants tracks of {recipe.track_length} frames; these have {source.track_length}. "
            f"Mine the videos with `transitive ingest --track-length {recipe.track_length}` in another home "
            "(TRANSITIVE_HOME), and train there or from its pack."
        )


def _hold_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * HOLD_ON_GPU)
    return HOLD_ON_CPU
