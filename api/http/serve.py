"""Start of the HTTP server: `python -m api.http.serve [--port PORT]`. Host and limits come from the settings."""

import argparse
import os
import sys

import uvicorn

from api.http.app import create_app
from api.http.door.slow_clients import patient_protocol
from api.keys import refuse_open_door
from graph.errors import TransitiveError
from graph.logs import set_up_logs
from graph.settings import Settings, load_settings

# An idle connection stays open for longer than httpx keeps one (5 s, as uvicorn does): a request that is sent at the
# moment of the close ends in an error. A connection that holds half of a second request stays open for as long.
KEEP_ALIVE_S = 10
GRACE_S = 3  # time for running responses at a shutdown; `transitive down` waits a second longer


def server_config(settings: Settings, port: int) -> uvicorn.Config:
    """Return uvicorn's configuration; raises `InvalidInput` for an open address without keys."""
    refuse_open_door(settings)
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=port,
        http=patient_protocol(settings.slow_client_seconds),
        ws="none",
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def main() -> None:
    """Serve until TERM; a wrong setting ends in one line and exit status 1."""
    parser = argparse.ArgumentParser(description="Serve the HTTP API.")
    parser.add_argument("--port", type=int, help="Default: TRANSITIVE_API_PORT.")
    asked = parser.parse_args()
    os.umask(0o077)  # uploads and data are for this user only
    try:
        settings = load_settings()
        set_up_logs(settings)
        config = server_config(settings, settings.api_port if asked.port is None else asked.port)
    except TransitiveError as error:
        sys.exit(f"transitive: {error}")
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
