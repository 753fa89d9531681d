"""`transitive mine` and `transitive track`: inspect the mining of one video without writing to the graph."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.terminal import Bars, Json, answer, table
from api.cli.usage import WrongCall
from graph.settings import settings

_VideoFile = Annotated[Path, typer.Argument(help="A video file.")]


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command()(mine)
    app.command()(track)


def mine(
    video: _VideoFile,
    sheet: Annotated[Path | None, typer.Option("--sheet", help="Draw every window into this PNG file.")] = None,
    as_json: Json = False,
) -> None:
    """Count what mining finds in VIDEO, with the reasons for refused windows and tracks; --sheet draws each window."""
    from workers.mining.isolated import sheet_isolated
    from workers.mining.recipe import Limits, Mining

    _check(video, sheet)
    with Bars() as bars:
        facts = sheet_isolated(video, sheet, Limits.of(settings()), bars, Mining.of(settings(), {}))
    report = facts["report"]
    rows = {
        "windows": report["windows"],
        "tracks": report["tracks"],
        "trusted tracks": report["trusted_tracks"],
        **{f"refused window: {reason}": count for reason, count in report["refused_windows"].items()},
        **{f"refused track: {reason}": count for reason, count in report["refused_tracks"].items()},
        **({"sheet": str(sheet)} if sheet else {}),
    }
    text = "\n".join([table(rows, facts["video"]), *report["notes"]])
    answer(facts | {"sheet": str(sheet) if sheet else None}, as_json, text)


def track(
    video: _VideoFile,
    frame: Annotated[int, typer.Option("--frame", min=0, help="The frame that shows the box, counted from 0.")],
    box: Annotated[str, typer.Option("--box", help="X,Y,W,H in the video's own pixels.")],
    frames: Annotated[int, typer.Option("--frames", min=1, help="How many frames to follow.")] = 30,
    tracker: Annotated[str, typer.Option("--tracker", help="batched-kcf, or cv2-kcf: OpenCV's.")] = "batched-kcf",
    sheet: Annotated[Path | None, typer.Option("--sheet", help="Draw every frame into this PNG file.")] = None,
    as_json: Json = False,
) -> None:
    """Follow one box through VIDEO: one x, y, w, h per frame after the first, under `boxes`."""
    from workers.mining.isolated import track_isolated
    from workers.mining.recipe import Limits

    _check(video, sheet)
    with Bars() as bars:
        facts = track_isolated(
            video,
            Limits.of(settings()),
            bars,
            frame=frame,
            box=_numbers(box),
            frames=frames,
            tracker=tracker,
            sheet=sheet.absolute() if sheet else None,
        )
    lines = [f"{frame + n + 1:6d}  {found}" for n, found in enumerate(facts["boxes"])]
    answer(facts, as_json, "\n".join(lines))


def _check(video: Path, sheet: Path | None) -> None:
    if not video.is_file():
        if video.exists():
            raise WrongCall(f"{video} is a folder, a pipe or a device, not a file. Name one video.")
        raise WrongCall(f"There is no file {video}. Check the name.")
    if sheet is not None and not sheet.absolute().parent.is_dir():
        raise WrongCall(f"The folder of {sheet} does not exist. Create it first.")


def _numbers(box: str) -> tuple[float, float, float, float]:
    try:
        x, y, w, h = (float(part) for part in box.split(","))
    except ValueError:
        raise typer.BadParameter(f"--box takes four numbers X,Y,W,H, not {box}.") from None
    return x, y, w, h
