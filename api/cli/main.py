"""The `transitive` command: results on standard output, everything else on standard error.

Exit status 0: success. 1: failure, with one line that names the cause and the cure. 2: wrong arguments.
"""

import importlib
import importlib.metadata
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from api.cli.terminal import answer, say
from api.cli.usage import WrongCall
from graph.errors import TransitiveError

# Each file of api/cli/commands with its commands. Only the file of the called command is imported. All files together
# import Celery, the Neo4j driver, Arrow and Jinja, which takes longer than most commands run.
FAMILIES = {
    "stack": ("up", "down", "status"),
    "ingest": ("ingest",),
    "link": ("link",),
    "train": ("train", "embed"),
    "listing": ("list", "delete", "open"),
    "graph": ("graph",),
    "evaluate": ("evaluate",),
    "compare": ("compare",),
    "demo": ("demo", "report"),
    "archive": ("export", "import"),
    "model": ("use", "import-model", "export-model"),
    "mining": ("mine", "track"),
    "grow": ("grow",),
    "key": ("key",),
    "mapping": ("map",),
    "import_tracks": ("import-tracks",),
}
_INTERRUPTED = 130  # typer's exit status after Ctrl-C


def build(arguments: Sequence[str]) -> typer.Typer:
    """Return the app with the family of the called command, or with all families if no command is named."""
    app = typer.Typer(
        name="transitive",
        help="From unlabelled videos to a graph of moving-object patches and a representation learned from it.",
        epilog="All of it with small numbers: demo. Step by step: ingest, link, train transitive, embed; then "
        "evaluate, compare, report. Each command takes --help.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode="markdown",  # joins the lines of a docstring's paragraph, which the default mode does not
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_group)
    called = [family for family, commands in FAMILIES.items() if arguments and arguments[0] in commands]
    for family in called or FAMILIES:
        importlib.import_module(f"api.cli.commands.{family}").register(app)
    return app


def main() -> None:
    """Run the command; a `TransitiveError` ends as one line and exit status 1 (2 for a wrong call)."""
    signal.signal(signal.SIGTERM, _interrupt)
    os.umask(0o077)  # only this user can read the files that commands and servers write
    try:
        refuse_empty(sys.argv[1:])
        build(sys.argv[1:])()
    except TransitiveError as error:
        say(f"transitive: {error}")
        sys.exit(2 if isinstance(error, WrongCall) else 1)
    except KeyboardInterrupt:
        _say_stopped()
    except SystemExit as leaving:
        if leaving.code == _INTERRUPTED:
            _say_stopped()
        raise
    except BrokenPipeError:
        # The reader of our output is gone. Standard output is replaced, because Python flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if _began_with_interrupt(error):
            _say_stopped()
        say(f"transitive: unexpected {type(error).__name__}: {_first_line(error)}. The details are in {_keep_trace()}.")
        sys.exit(1)


def refuse_empty(arguments: Sequence[str]) -> None:
    """Raise `WrongCall` for an empty argument, because an empty path would mean the current folder."""
    for before, argument in zip(("transitive", *arguments), arguments, strict=False):
        option, equals, value = argument.partition("=")
        if not argument or (option.startswith("--") and equals and not value):
            raise WrongCall(
                f"The argument after {option or before} is empty. A shell variable without a value is the usual cause."
            )


def _group(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Print the version if asked. A callback makes typer treat an app with one command as a group."""
    if version:
        answer({}, False, f"transitive {importlib.metadata.version('transitive-invariance')}")
        raise typer.Exit


def _say_stopped() -> None:
    say("transitive: stopped. Run the same command again to continue.")
    sys.exit(1)


def _began_with_interrupt(error: BaseException | None) -> bool:
    """Return whether Ctrl-C caused the error; a library may raise another error while it closes its resources."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _first_line(error: Exception) -> str:
    return (str(error) or "no text").strip().splitlines()[0]


def _keep_trace() -> Path:
    """Append the trace of an unexpected error to HOME/logs/command.log."""
    path = Path(os.environ.get("TRANSITIVE_HOME", ".transitive")) / "logs" / "command.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"{' '.join(sys.argv)}\n{traceback.format_exc()}\n")
    return path


if __name__ == "__main__":
    main()
