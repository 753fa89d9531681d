"""Named sets of recipes for `transitive compare --suite`, sized for the device they run on."""

from dataclasses import dataclass

from graph.errors import InvalidInput


@dataclass(frozen=True)
class Suite:
    """The settings of a comparison; the command's options override them."""

    recipes: tuple[str, ...]
    preset: str
    seeds: int
    image_budget: int  # images that each training encodes
    context_iterations: int  # of the context network; 0: the preset's


_RECIPES = ("scratch", "context", "tracking", "inter", "transitive", "multitask", "transitive-hog", "transitive-15")

# name → device → suite. `small` is the one of docs/results.md. On an H200 the context network takes 167 s and one seed
# of all recipes 206 s (docs/benchmarks/), so three seeds take about 13 minutes (estimated). On CPUs most of the hour is
# spent on the context network, because links are only as good as its features.
SUITES: dict[str, dict[str, Suite]] = {
    "small": {
        "cpu": Suite(_RECIPES[:5], "cpu-small", seeds=1, image_budget=24_000, context_iterations=8_000),
        "cuda": Suite(_RECIPES, "h200", seeds=3, image_budget=100_000, context_iterations=2_400),
    }
}


def get_suite(name: str, device: str) -> Suite:
    """Return a suite for a type of device ("cpu" or "cuda"); raises `InvalidInput` that lists the known ones."""
    if name not in SUITES:
        raise InvalidInput(f"Unknown suite {name!r}. Suites: {', '.join(SUITES)}.")
    return SUITES[name][device]
