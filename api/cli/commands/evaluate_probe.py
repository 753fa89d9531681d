"""`transitive evaluate probe`: kNN-20 and a linear classifier on the features of every stage of a model."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.cli.evaluated_model import ModelOption, OutputOption, SeedOption, WidthOption, open_model
from api.cli.interrupt import cancelling
from api.cli.terminal import Bars, Json, answer, say
from graph.settings import settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(probe)


def probe(
    data: Annotated[Path, typer.Option(help="Folder with train and val (or test): one folder of pictures per class.")],
    model: ModelOption,
    preset: WidthOption = "paper",
    seed: SeedOption = 0,
    output: OutputOption = None,
    as_json: Json = False,
) -> None:
    """Classify labelled pictures by the features of each conv stage and the embedding: kNN-20 and linear.

    The paper has no such table. Any ImageFolder data set with a training and a test part serves, for example
    Imagenette: https://github.com/fastai/imagenette

    The classifier's penalty is chosen on a fifth of the training pictures. Intervals are Wilson's 95 % intervals over
    the test pictures. The result is probe.json. To resume a run after a stop, give the same command again.
    """
    from training.evaluation.probe import evaluate_probe, read_split  # imports torch, which takes seconds

    subject = open_model(model, preset, seed)
    split = read_split(data)
    say(f"{data}: {len(split.train):,} training and {len(split.test):,} test pictures of {len(split.classes)} classes.")
    folder = output or subject.folder
    with Bars() as bars, cancelling(bars) as progress:
        scores = evaluate_probe(subject, data, folder, settings().device, progress)
    lines = [f"model {subject.id}", f"{'stage':<10} {'kNN-20':<22} linear classifier"]
    for name, score in scores.items():
        knn = f"{score.knn:.3f} ({score.knn_interval[0]:.3f}–{score.knn_interval[1]:.3f})"
        linear = f"{score.linear:.3f} ({score.linear_interval[0]:.3f}–{score.linear_interval[1]:.3f})"
        lines.append(f"{name:<10} {knn:<22} {linear}")
    facts = {"model": subject.id, "file": str(folder / "probe.json")}
    answer({**facts, "stages": {name: asdict(score) for name, score in scores.items()}}, as_json, "\n".join(lines))
