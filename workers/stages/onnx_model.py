"""ONNX encoders among the models of a home: files that were brought along, and the models that they became."""

from pathlib import Path

from graph import jobs, models
from graph.records import Model
from training.onnx_encoder import GivenNumbers, take_onnx
from workers.stage_context import StageContext


def adopt_onnx(context: StageContext, file: Path, given: GivenNumbers) -> Model:
    """Copy an ONNX encoder below the models and list it; the same file and numbers again give the same model.

    Raises what `take_onnx` raises.
    """
    model = take_onnx(context.models, file, given, jobs.now())
    models.write_model(context.connection, model)
    return model
