"""`transitive key`: make, list and revoke the API keys of this home."""

from typing import Annotated

import typer

from api.cli.terminal import Json, answer
from api.cli.usage import checked_arguments
from api.keys import KeyStore, Scope
from graph.settings import settings

app = typer.Typer(help="API keys: needed where the API listens beyond this machine.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the family."""
    parent.add_typer(app, name="key")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whom or what the key is for.")],
    scope: Annotated[Scope, typer.Option(help="What it allows; each includes those before it.")] = Scope.READ,
    as_json: Json = False,
) -> None:
    """Make a key and print it. It is stored hashed, so it cannot be shown again."""
    with checked_arguments():
        key, text = KeyStore(settings().home).create(name, scope)
    answer({"id": key.id, "name": key.name, "scope": key.scope.value, "key": text}, as_json, text)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the keys: id, name, scope, and when each was made."""
    keys = KeyStore(settings().home).all()
    rows = [{"id": k.id, "name": k.name, "scope": k.scope.value, "created_at": k.created_at} for k in keys]
    lines = [f"{k.id}  {k.scope.value:<6}  {k.created_at}  {k.name}" for k in keys]
    answer({"keys": rows}, as_json, "\n".join(lines) or "There are no keys. `transitive key create NAME` makes one.")


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, as `transitive key list` shows it.")], as_json: Json = False
) -> None:
    """Revoke a key: its next request is refused, also from a browser that is logged in by it."""
    gone = KeyStore(settings().home).revoke(key)
    answer({"revoked": gone.id, "name": gone.name}, as_json, f"Revoked {gone.name} ({gone.id}).")
