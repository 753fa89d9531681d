"""Named sets of recipes for `transitive compare --suite`, sized for the device they run on."""

from dataclasses import dataclass

from graph.errors import InvalidInput


@dataclass(frozen=True)
class Suite:
    """What is compared, and on how much; what the command's options name goes first."""

    recipes: tuple[str, ...]
    preset: str
    seeds: int
    images: int  # each training encodes
    context_iterations: int  # of the start; 0: the preset's


_RECIPES = ("scratch", "context", "tracking", "inter", "transitive", "multitask", "transitive-hog", "transitive-15")

# name → device → suite. `small` is that of docs/results.md; on an H200 the start takes 167 s and one seed of
# all 206 s (docs/benchmarks/), so three seeds some 13 minutes, which is reckoned. On CPUs most of the hour goes into
# the start, because links are only as good as its features.
SUITES: dict[str, dict[str, Suite]] = {
    "small": {
        "cpu": Suite(_RECIPES[:5], "cpu-small", seeds=1, images=24_000, context_iterations=8_000),
        "cuda": Suite(_RECIPES, "h200", seeds=3, images=100_000, context_iterations=2_400),
    }
}


def get_suite(name: str, device: str) -> Suite:
    """Return a suite for a type of device ("cpu" or "cuda"); raises `InvalidInput` that lists what there is."""
    if name not in SUITES:
        raise InvalidInput(f"There is no suite {name!r}. Suites: {', '.join(SUITES)}.")
    return SUITES[name][device]
