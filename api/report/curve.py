"""From a training's journal (log.jsonl) to its loss curve as inline SVG."""

import json
from pathlib import Path

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 220, 52, 28


def read_losses(folder: Path) -> list[tuple[int, float]]:
    """Read (step, loss) from a model's folder; empty when it has no journal."""
    log = folder / "log.jsonl"
    if not log.is_file():
        return []
    rows = [json.loads(line) for line in log.read_text().splitlines() if line.strip()]
    return [(int(row["step"]), float(row["loss"])) for row in rows]


def draw(losses: list[tuple[int, float]], label: str) -> str:
    """Draw a polyline with a grid of four lines; empty for fewer than two points."""
    if len(losses) < 2:
        return ""
    steps, values = [step for step, _ in losses], [value for _, value in losses]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    last = max(steps)

    def x(step: float) -> float:
        return _LEFT + (step / last) * (_WIDTH - _LEFT - 8)

    def y(value: float) -> float:
        return 8 + (high - value) / span * (_HEIGHT - _BOTTOM - 8)

    grid = []
    for part in range(5):
        value = low + span * part / 4
        grid.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="grid"/>')
        grid.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" class="axis" text-anchor="end">{value:.3g}</text>')
    points = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in losses)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(grid)}'
        f'<polyline points="{points}" class="curve"/>'
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 6}" class="axis" text-anchor="end">{last} steps</text></svg>'
    )
