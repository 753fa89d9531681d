"""`transitive map`: a model's embeddings laid out in two dimensions, for the page of the map."""

from typing import Annotated

import typer

from api.cli.session import open_session
from api.cli.terminal import Bars, Json, answer
from api.cli.waiting import detached, run_job
from graph import models
from graph.errors import NotFound
from workers.requests import MapRequest


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("map")(map_)


def map_(
    model: Annotated[str, typer.Option(help="Model's id. Default: the current model.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Return the job's id at once, do not wait.")] = False,
    as_json: Json = False,
) -> None:
    """Lay the embeddings of up to 100,000 patches out in two dimensions (UMAP); the pages show the map."""
    with open_session() as session, Bars() as bars:
        named = models.get_model(session.connection, model) if model else models.current_model(session.connection)
        if named is None:
            raise NotFound("No model is in use yet. `transitive use MODEL` names one, or give --model.")
        asked = MapRequest(named.id)
        if detach:
            detached(session, asked, as_json)
            return
        made = run_job(session, asked, bars).result
        page = f"{session.stack.api_url}/browse/map/{made}"
    answer({"model": made, "page": page}, as_json, f"The map of model {made} is at {page}.")
