"""Benchmark of the page "Search by picture": time from a chosen picture to the shown results, in Chromium.

    python -m tests.benchmarks.vector_search --rows 1000000 --home DIR --only build
    python -m tests.benchmarks.search_page --home DIR [--searches 30]

DIR holds the index and the shards of `vector_search`. The picture is encoded by a full-size network that is not
trained, which changes nothing about its speed. The first search loads it, and is printed separately.
"""

import argparse
import io
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import FilePayload, Page, sync_playwright

from graph.records import Model
from tests.benchmarks.served import served_api
from tests.benchmarks.vector_search import MODEL
from training.model_folder import write_model
from training.networks import Network
from training.recipes import get_recipe

SIDE = 512  # pixels


def write_network(home: Path) -> Model:
    """Write a full-size network as the model of the vectors, unless the home has it; returns its record."""
    recipe = get_recipe("transitive", "paper")
    network = Network(recipe)
    model = Model(MODEL, "transitive", "paper", 0, network.pool5_dim, network.embedding_dim, "", "2026-01-01T00:00:00")
    folder = home / "data" / "models" / model.id
    if not folder.exists():
        folder.mkdir(parents=True)
        write_model(folder, network, recipe, model, {})
    return model


def picture(random: np.random.Generator) -> FilePayload:
    """Return a JPEG of coloured squares."""
    file = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((SIDE, SIDE), 0).save(file, "JPEG")
    return {"name": "picture.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}


def search(page: Page, file: FilePayload) -> float:
    """Choose a picture on the page; returns the seconds until its results are shown."""
    page.evaluate("() => { document.querySelector('#said').textContent = ''; }")
    begin = time.perf_counter()
    page.locator("#file").set_input_files([file])
    page.wait_for_function("() => document.querySelector('#said').textContent.includes(' s, by ')", polling="raf")
    return time.perf_counter() - begin


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--searches", type=int, default=30)
    arguments = parser.parse_args()
    random = np.random.default_rng(8)
    home = arguments.home.absolute()
    with served_api(home, [write_network(home)]) as api, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(f"{api.address}/browse/search?model={MODEL}")
        first = search(page, picture(random))
        taken = [search(page, picture(random)) for _ in range(arguments.searches)]
        shown = page.locator("#found li").count()
        browser.close()
    cuts = statistics.quantiles(taken, n=20)
    print(f"first search, right after the page was opened: {first:.2f} s")
    print(f"{len(taken)} searches, {shown} patches shown: median {cuts[9]:.3f} s, 95 % below {cuts[18]:.3f} s", end="")
    print(f", longest {max(taken):.3f} s")


if __name__ == "__main__":
    main()
