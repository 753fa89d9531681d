"""`transitive export-model`: a trained model's weights for other software, as torchvision's state dict or ONNX."""

from pathlib import Path
from typing import Annotated

import typer

from api.terminal import Json, answer
from graph.errors import InvalidInput
from graph.settings import settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export-model")(export_model)


def export_model(
    model: Annotated[str, typer.Argument(help="Model's id (`transitive status` lists them), or its folder.")],
    file: Annotated[Path, typer.Argument(help="File to write: .safetensors or .pth (torchvision's names), or .onnx.")],
    as_json: Json = False,
) -> None:
    """Write a model's weights for torchvision or ONNX Runtime; needs no server."""
    from training.export import export_onnx, export_torchvision  # torch takes seconds: only this command pays

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
