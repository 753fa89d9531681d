"""`onnx:FILE` in place of a model's id: the file is imported as a model, and the new model's id is used."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.session import Session
from api.cli.terminal import say
from api.cli.usage import WrongCall

PREFIX = "onnx:"
Size = Annotated[int, typer.Option(min=0, help="Side of the pictures that an ONNX encoder takes; 0: as its file says.")]
Mean = Annotated[str, typer.Option(help="Mean of red, green and blue, subtracted from an ONNX encoder's pictures.")]
Deviation = Annotated[str, typer.Option(help="Standard deviation of red, green and blue, by which they are divided.")]


def check_onnx(name: str, size: int, mean: str, deviation: str) -> None:
    """Raise `WrongCall` if `name` is a missing ONNX file, or if numbers are given without such a file."""
    _numbers("--mean", mean)
    _numbers("--deviation", deviation)
    if not name.startswith(PREFIX):
        if size or mean or deviation:
            raise WrongCall("--size, --mean and --deviation need an ONNX encoder: name it as onnx:FILE.")
    elif not _file(name).is_file():
        raise WrongCall(f"There is no file {_file(name)}.")


def resolve_onnx(session: Session, name: str, size: int, mean: str, deviation: str) -> str:
    """Return the id of the model that `onnx:FILE` names, and import a new file; other names are returned unchanged."""
    if not name.startswith(PREFIX):
        return name
    from training.onnx_encoder import GivenNumbers  # these bring torch
    from workers.stages.onnx_model import adopt_onnx

    given = GivenNumbers(size, _numbers("--mean", mean), _numbers("--deviation", deviation))
    model = adopt_onnx(session.context, _file(name), given)
    say(f"{_file(name).name} is model {model.id}: features of {model.pool5_dim:,} dimensions.")
    return model.id


def _file(name: str) -> Path:
    return Path(name.removeprefix(PREFIX)).expanduser().absolute()


def _numbers(option: str, text: str) -> tuple[float, ...]:
    """Read three numbers with commas between; () for no text. Raises `WrongCall`."""
    if not text:
        return ()
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 3:
        raise WrongCall(f"{option} takes three numbers, of red, green and blue: {option} 0.485,0.456,0.406.")
    return numbers
