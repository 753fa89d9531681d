"""`transitive up`, `down` and `status`: start, stop and describe the local stack."""

from dataclasses import asdict
from typing import Any

import typer

from api.cli.job_line import job_line
from api.cli.session import connect
from api.cli.stack import Stack
from api.cli.terminal import Bars, Json, answer, table
from graph import jobs
from graph.errors import TransitiveError
from graph.generations import catalogue
from graph.queries.counts import graph_counts
from graph.records import Job
from graph.settings import settings


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command()(up)
    app.command()(down)
    app.command()(status)


def up(as_json: Json = False) -> None:
    """Start Neo4j, Redis, the workers and the API, as far as they do not run. Other commands do this themselves.

    TRANSITIVE_HOME names the folder of the data, .transitive by default; NEO4J_URI and REDIS_URL name servers of your
    own.
    """
    stack = Stack(settings())
    with Bars() as bars:
        stack.up(bars)
    _report(stack, as_json)


def down(as_json: Json = False) -> None:
    """Stop everything that this home started. The data stays, and unfinished jobs continue after the next `up`."""
    with Bars() as bars:
        Stack(settings()).down(bars)
    answer({"running": False}, as_json, "Stopped.")


def status(as_json: Json = False) -> None:
    """Show what runs, the addresses, and what the graph holds."""
    _report(Stack(settings()), as_json)


def describe(stack: Stack) -> dict[str, Any]:
    """Gather what `status --json` prints; `graph` is None while Neo4j does not run."""
    found = stack.status()
    facts: dict[str, Any] = {
        "api": found.api or None,
        "neo4j": {
            "bolt": found.neo4j_bolt or None,
            "browser": found.neo4j_browser or None,
            "user": stack.settings.neo4j_user,
            "password_file": found.neo4j_password_file or None,
        },
        "redis": found.redis,
        "workers": found.workers,
        "home": str(stack.home),
        "graph": None,
        "generation": None,
        "jobs": [],
    }
    addresses = stack.addresses()
    if addresses.neo4j_uri:
        with connect(addresses, patience_s=5.0) as connection:
            facts["graph"] = asdict(graph_counts(connection))
            current = catalogue.current_generation(connection)
            stale = catalogue.unlinked_videos(connection)
            facts["generation"] = {"id": current, "videos_since": stale} if current else None
            facts["jobs"] = [asdict(entry.job) for entry in jobs.unfinished_jobs(connection)]
    return facts


def _password(neo4j: dict[str, Any]) -> str:
    if neo4j["password_file"]:
        return f"in {neo4j['password_file']}"
    return "as you set it" if neo4j["bolt"] else "-"


def _linked(generation: dict[str, Any] | None, known: bool) -> str:
    if not known:
        return "-"
    if generation is None:
        return "not yet: `transitive link`"
    since = generation["videos_since"]
    return f"generation {generation['id']}" + (
        f"; {since} videos came since: `transitive link`, or `link --join`" if since else ""
    )


def _report(stack: Stack, as_json: bool) -> None:
    try:
        facts = describe(stack)
    except TransitiveError as error:
        raise type(error)(f"{error} (home: {stack.home})") from error
    rows = {
        "API": f"{facts['api']}/docs" if facts["api"] else "not running: `transitive up` starts it",
        "Neo4j": facts["neo4j"]["bolt"] or "not running",
        "Neo4j Browser": facts["neo4j"]["browser"] or "-",
        "user": facts["neo4j"]["user"],
        "password": _password(facts["neo4j"]),
        "Redis": "running" if facts["redis"] else "not running",
        "workers": ", ".join(f"{name} {'up' if up else 'down'}" for name, up in facts["workers"].items()),
        "home": facts["home"],
        "linked": _linked(facts["generation"], known=facts["graph"] is not None),
        **{name.replace("_", " "): f"{count:,}" for name, count in (facts["graph"] or {}).items()},
    }
    lines = [job_line(Job(**job)) for job in facts["jobs"]]
    answer(facts, as_json, "\n".join([table(rows), *(["", "jobs"] if lines else []), *lines]))
