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
    start_iterations: dict[str, int]  # of the initial model, by its recipe; 0: the preset's


START = "start"  # in a suite's recipes: the initial model itself
_RECIPES = ("scratch", START, "tracking", "inter", "transitive", "multitask", "transitive-hog", "transitive-15")

# Name, device, suite. `small` is the one of docs/results.md. On an H200 the context network takes 167 s and one seed
# of all recipes 206 s (docs/benchmarks/), so three seeds take about 13 minutes (estimated). On CPUs most of the hour is
# spent on the start, because links are only as good as its features.
_MULTIVIEW = (
    *("scratch", START, "tracking", "inter", "transitive", "multitask", "contrast-tracking", "contrast-transitive"),
    "contrast-all-tracks",
    "contrast-transitive, linked anew",  # training/evaluation/multiview.py
)
SUITES: dict[str, dict[str, Suite]] = {
    "small": {
        "cpu": Suite(
            (*_RECIPES[:6], "contrast-tracking", "contrast-transitive", "contrast-all-tracks"),
            "cpu-small",
            seeds=3,
            image_budget=24_000,
            start_iterations={"context": 8_000, "contrast": 0},
        ),
        "cuda": Suite(
            _RECIPES, "h200", seeds=3, image_budget=100_000, start_iterations={"context": 2_400, "contrast": 0}
        ),
    },
    # The narrow network also on a GPU, because forty objects are few for a wide one. 72,000 images are what two cores
    # train for all rows and three seeds in two hours; a third of them gains less (docs/decisions/0310).
    "multiview": {
        device: Suite(_MULTIVIEW, "cpu-small", seeds=3, image_budget=72_000, start_iterations={"context": 4_000})
        for device in ("cpu", "cuda")
    },
}


def get_suite(name: str, device: str) -> Suite:
    """Return a suite for a type of device ("cpu" or "cuda"); raises `InvalidInput` that lists the known ones."""
    if name not in SUITES:
        raise InvalidInput(f"Unknown suite {name!r}. Suites: {', '.join(SUITES)}.")
    return SUITES[name][device]
