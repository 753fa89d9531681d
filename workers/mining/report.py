"""Notes of a video's report on the parts that were left out or converted."""

from typing import Any

_ENDED = {
    "damage": "damaged data",
    "time": "a jump of the time stamps",
    "size": "a change of the picture's size",
}


def described(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report with `notes`: a sentence for each kind of omission or conversion."""
    return report | {"notes": [*_left_out(report), *_converted(report)]}


def _left_out(report: dict[str, Any]) -> list[str]:
    found = []
    if report["streams_left_out"]:
        found.append(f"Other video streams were left out: {', '.join(report['streams_left_out'])}.")
    if report["damaged_frames"]:
        found.append(
            f"{_counted(report['damaged_frames'], 'frame')} of {report['frames']:,} left out: damaged, or "
            "referring to damaged ones."
        )
    if report["damaged_packets"]:
        found.append(f"{_counted(report['damaged_packets'], 'packet')} could not be decoded.")
    for reason, count in report["unusable_frames"].items():
        found.append(f"{_counted(count, 'frame')} left out: {reason}.")
    for reason, count in report["shots_ended"].items():
        found.append(f"{_counted(count, 'shot')} ended early by {_ENDED[reason]}; no track crosses it.")
    if len(report["sizes"]) > 1:
        sizes = ", ".join(f"{count:,} of {size}" for size, count in report["sizes"].items())
        found.append(f"The picture's size changes: {sizes} frames.")
    if report["every"] > 1:
        found.append(f"One frame in {report['every']} was read: the video has {report['fps']:g} frames a second.")
    return found


def _converted(report: dict[str, Any]) -> list[str]:
    return [f"{_counted(count, 'frame')} {what}." for what, count in report["converted"].items()]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
