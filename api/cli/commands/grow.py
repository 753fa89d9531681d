"""`transitive grow`: rounds of linking, training and held-out measurement, until a round brings no gain."""

from dataclasses import asdict, replace
from typing import Annotated

import typer

from api.cli.commands.link import announce_start
from api.cli.session import open_session
from api.cli.terminal import Bars, Json, answer, say
from api.cli.usage import checked_arguments
from api.cli.waiting import run_job
from graph.generations import catalogue
from workers.requests import LinkRequest, TrainRequest
from workers.training_source import GraphSource

_SHOWN = ("auc", "recall@1", "transitive_auc", "effective_rank")  # of each round


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(grow)


def grow(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of linking and training at most.")] = 3,
    recipe: Annotated[str, typer.Option(help="Recipe that each round trains.")] = "contrast-transitive",
    preset: Annotated[str, typer.Option(help="paper, h200, cpu-small or demo.")] = "cpu-small",
    seed: Annotated[int, typer.Option(help="Seed of every random draw.")] = 0,
    features: Annotated[str, typer.Option(help="Model to link by first. Default: the newest start.")] = "",
    as_json: Json = False,
) -> None:
    """Link by the newest model, train on the links, measure without labels; stop when a round brings no gain.

    A round gains if the ends of held-out tracks come nearer to their starts by more than the 95 % interval. Every round
    leaves a generation and a model. The same command resumes an interrupted run.
    """
    from training.encoders import open_encoder
    from training.evaluation import growth
    from training.evaluation.measure import measure_round

    with checked_arguments():
        request = TrainRequest(recipe, preset, seed=seed)
    with open_session() as session, Bars() as bars:
        context = session.context

        def link(model: str) -> str:
            linking = LinkRequest(model, preset=preset)
            announce_start(session.connection, linking)
            return run_job(session, linking, bars).result

        def train(generation: str) -> str:
            return run_job(session, replace(request, generation=generation), bars).result

        first = catalogue.get_generation(session.connection, link(features))
        source = GraphSource(context, first)  # the same held-out tracks and distractors in every round

        def measure(model: str) -> growth.Measured:
            return measure_round(open_encoder(context.models / model, context.settings.device), source, bars)

        done = growth.grow(first.feature_model, rounds, link, train, measure)
    for one in done:
        shown = "  ".join(f"{name} {one.metrics[name]:.3f}" for name in _SHOWN if name in one.metrics)
        rise = f"  gain {one.gain.mean:+.3f} ({one.gain.low:+.3f} to {one.gain.high:+.3f})" if one.gain else ""
        say(f"round {one.number}  {one.model}  {shown}{rise}  links {one.generation or '-'}")
    chosen = growth.best(done)
    facts = {"rounds": [asdict(one) for one in done], "best": chosen.model, "generation": chosen.generation}
    answer(facts, as_json, f"The best round is {chosen.number}: model {chosen.model}.")
