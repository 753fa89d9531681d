"""Import of an ONNX encoder as a model of the home."""

from pathlib import Path

from graph import jobs, models
from graph.records import Model
from training.onnx_encoder import GivenNumbers, take_onnx
from workers.stage_context import StageContext


def adopt_onnx(context: StageContext, file: Path, given: GivenNumbers) -> Model:
    """Copy an ONNX encoder into the models' folder and list it; the same file and numbers give the same model.

    Raises what `take_onnx` raises.
    """
    model = take_onnx(context.models, file, given, jobs.now())
    models.write_model(context.connection, model)
    return model
