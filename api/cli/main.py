"""The `transitive` command: arguments come in; a result goes to standard output, everything else to standard error.

Exit status 0: done. 1: it failed, and one line says why and what to do. 2: it was called wrongly.
"""

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import typer

from api.cli.terminal import say
from graph.errors import TransitiveError

# Each file of api/commands and the commands it adds. Only the file of the command that is called is imported: together
# they bring in Celery, the Neo4j driver, Arrow and Jinja, which takes longer than many a command.
FAMILIES = {
    "stack": ("up", "down", "status"),
    "ingest": ("ingest",),
    "link": ("link",),
    "train": ("train", "embed"),
    "graph": ("graph",),
    "evaluate": ("evaluate",),
    "compare": ("compare",),
    "demo": ("demo", "report"),
    "archive": ("export", "import"),
    "model": ("import-model", "export-model"),
    "mining": ("mine", "track"),
    "grow": ("grow",),
}
_INTERRUPTED = 130  # what typer makes of Ctrl-C


def build(arguments: Sequence[str]) -> typer.Typer:
    """Make the app for these arguments: with the family of the command they name, or with all."""
    app = typer.Typer(
        name="transitive",
        help="From unlabelled videos to a graph of moving-object patches and a representation learned from it.",
        epilog="All of it with small numbers: demo. Step by step: ingest, link, train transitive, embed; then "
        "evaluate, compare, report. Each command takes --help.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_group)
    called = [family for family, commands in FAMILIES.items() if arguments and arguments[0] in commands]
    for family in called or FAMILIES:
        importlib.import_module(f"api.cli.commands.{family}").register(app)
    return app


def main() -> None:
    """Run the command; a `TransitiveError` ends as one line and exit status 1, never as a stack trace."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        build(sys.argv[1:])()
    except TransitiveError as error:
        say(f"transitive: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        _say_stopped()
    except SystemExit as leaving:
        if leaving.code == _INTERRUPTED:
            _say_stopped()
        raise
    except BrokenPipeError:
        # whoever read our output has gone; Python would complain again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if _began_with_interrupt(error):
            _say_stopped()
        say(f"transitive: unexpected {type(error).__name__}: {_first_line(error)}. The details are in {_keep_trace()}.")
        sys.exit(1)


def _group() -> None:
    """Keep the commands below one name, also where only one family was imported."""


def _say_stopped() -> None:
    say("transitive: stopped. Run the same command again to go on.")
    sys.exit(1)


def _began_with_interrupt(error: BaseException | None) -> bool:
    """Say whether Ctrl-C set it off: a library may fail in other ways while it lets go of what it held."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _first_line(error: Exception) -> str:
    return (str(error) or "no text").strip().splitlines()[0]


def _keep_trace() -> Path:
    """Write the trace of what we did not foresee where a maintainer finds it."""
    path = Path(os.environ.get("TRANSITIVE_HOME", ".transitive")) / "logs" / "command.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"{' '.join(sys.argv)}\n{traceback.format_exc()}\n")
    return path


if __name__ == "__main__":
    main()
