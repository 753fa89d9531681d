"""Route of figure 8: the patches that single units of a model respond to most."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.http.problems import problem_responses
from api.http.routes.models import ModelId
from api.http.service import ServiceDep
from graph import models
from graph.errors import NotFound
from graph.identifiers import require_name
from training.evaluation.unit_file import Unit, read_units

router = APIRouter(tags=["models"])


class UnitExample(BaseModel):
    """A patch with one of a unit's six highest responses."""

    patch: str = Field(description="Id of the patch; its picture is at /patches/{id}/image.")
    response: float
    field_pixels: float = Field(
        description="Side in pixels of the square whose area is that of the measured receptive field."
    )


class UnitResponse(BaseModel):
    """A unit (channel) of the layer."""

    number: int
    selectivity: float = Field(description="Distance of its highest responses from its mean, in standard deviations.")
    examples: list[UnitExample] = Field(description="The highest response first, one patch of a track.")


class UnitsResponse(BaseModel):
    """The most recently measured units of a model."""

    model: str
    layer: str = Field(examples=["conv5_3"])
    searched: int = Field(description="Patches that were searched.")
    units: list[UnitResponse] = Field(description="In the order asked for, else the most selective first.")


@router.get("/models/{model_id}/units", responses=problem_responses(404), summary="Patches that units respond to most")
def get_units(model_id: ModelId, shared: ServiceDep) -> UnitsResponse:
    """Read the result of `transitive evaluate units`; 404 if it has not been run on the graph's patches."""
    models.get_model(shared.connection, model_id)
    found = read_units(shared.context.models / require_name("model id", model_id) / "evaluation")
    if found is None or not found.patch_ids:
        raise NotFound(
            f"Model {model_id} has no units over the graph's patches: `transitive evaluate units --model {model_id}`."
        )
    units = [_response(unit) for unit in found.units]
    return UnitsResponse(model=model_id, layer=found.layer, searched=found.searched, units=units)


def _response(unit: Unit) -> UnitResponse:
    examples = [
        UnitExample(patch=patch, response=response, field_pixels=pixels)
        for patch, response, pixels in zip(unit.patches, unit.responses, unit.field_pixels, strict=True)
    ]
    return UnitResponse(number=unit.number, selectivity=unit.selectivity, examples=examples)
