"""`transitive use`, `import-model` and `export-model`: the model in use, models trained elsewhere, weights to share."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.cli.session import open_graph, open_session
from api.cli.terminal import Json, answer
from api.cli.usage import checked_arguments
from graph import models
from graph.errors import InvalidInput, NotFound
from graph.settings import settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(use)
    app.command("import-model")(import_model)
    app.command("export-model")(export_model)


def use(
    model: Annotated[str, typer.Argument(help="Model's id; `transitive list models` shows them.")] = "",
    as_json: Json = False,
) -> None:
    """Make a model the current one; without MODEL, print the current one.

    The current model embeds new videos, and answers use it by default.
    """
    with open_graph() as connection:
        chosen = models.use_model(connection, model) if model else models.current_model(connection)
    if chosen is None:
        raise NotFound("No model is in use yet. `transitive embed` takes the newest; `transitive use MODEL` names one.")
    answer(asdict(chosen), as_json, f"Current model: {chosen.id} ({chosen.recipe}, {chosen.embedding_dim} dimensions).")


def import_model(
    folder: Annotated[Path, typer.Argument(help="Folder that a training from a pack wrote (its --output).")],
    as_json: Json = False,
) -> None:
    """Import a model that was trained from a pack on another machine, so that embed, link and evaluate can use it."""
    from training.model_folder import read_card  # imports torch, which takes seconds
    from workers.stages.train import adopt

    source = folder.expanduser().absolute()
    with checked_arguments():
        read_card(source)
    with open_session() as session:
        model = adopt(session.context, source)
    answer(asdict(model), as_json, f"Imported {model.id} into {session.context.models / model.id}.")


def export_model(
    model: Annotated[str, typer.Argument(help="Model's id (`transitive status` lists them), or its folder.")],
    file: Annotated[Path, typer.Argument(help="File to write: .safetensors or .pth (torchvision's names), or .onnx.")],
    as_json: Json = False,
) -> None:
    """Write a model's weights for torchvision or ONNX Runtime; needs no server."""
    from training.export import export_onnx, export_torchvision  # imports torch, which takes seconds

    folder = Path(model)
    if not (folder / "model.json").is_file():
        data = settings().data
        if "://" in data:
            raise InvalidInput(f"The models are in {data}: copy the folder of {model} here and name the folder.")
        folder = Path(data) / "models" / model
    target = file.expanduser()
    names = (export_onnx if target.suffix == ".onnx" else export_torchvision)(folder, target)
    facts = {"model": str(folder.name), "file": str(target), "bytes": target.stat().st_size, "names": names}
    answer(facts, as_json, f"{target}: {target.stat().st_size / 1e6:,.1f} MB, {', '.join(names[:4])} …")
