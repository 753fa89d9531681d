"""The pages in Chromium on the real stack: a clip is dropped and mined, a link is rejected, every page is opened."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from graph.connection import Connection
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import link
from graph.models import write_model
from graph.queries.counts import graph_counts
from graph.records import Model
from tests.graph.linking_data import make_world, write_world
from tests.integration.conftest import PATIENCE, Workshop
from training.model_folder import MAP
from workers.stages.map import MAP_ROW

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)  # a machine under load is slow, and nothing here is timed

MODEL = "transitive-of-the-pages"
WIDTHS = (400, 1280, 2560)  # pixels: a phone, a laptop, a large screen
GRAVE = ("serious", "critical")


@pytest.fixture
def watched(page: Page) -> Iterator[Page]:
    """A page whose errors fail the test: of scripts, of the content security policy, of the server."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if "Content Security" in told.text else None)
    page.on("response", lambda sent: faults.append(f"{sent.status} {sent.url}") if sent.status >= 500 else None)
    yield page
    assert faults == []


def test_dropped_clips_come_in(workshop: Workshop, watched: Page, clips: list[Path], tmp_path: Path) -> None:
    page, address = watched, workshop.stack.api_url
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is no video" * 100)
    page.goto(f"{address}/browse/add")
    page.locator("#files").set_input_files([clips[0], clips[-1], broken])
    expect(page.locator("#list li[data-outcome]")).to_have_count(3, timeout=PATIENCE * 1000)
    assert page.locator("#sum").inner_text() == "2 added, 1 failed"
    assert page.locator("li[data-outcome=failed] .told").inner_text()  # the reason
    page.locator("#files").set_input_files([clips[0]])
    expect(page.locator("#list li[data-outcome=there]")).to_have_count(1, timeout=PATIENCE * 1000)

    page.locator("#list li[data-outcome=added] a").first.click()
    expect(page.locator("#player .timeline rect").first).to_be_visible()
    page.locator("#moments a.seek").first.click()
    page.wait_for_function("""() => {
        const canvas = document.querySelector("#player canvas");
        const pen = canvas.getContext("2d");
        return canvas.width && pen.getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean);
    }""")
    assert page.locator(".sheet tbody tr").count() > 1
    page.locator("#moments .caption a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Patch at")
    page.goto(f"{address}/browse/jobs")
    expect(page.locator("#jobs li[data-job]")).to_have_count(3)


def test_a_rejected_link_leaves_the_quadruples(workshop: Workshop, watched: Page, connection: Connection) -> None:
    fill(connection)
    before = graph_counts(connection).quadruples
    page = watched
    page.goto(f"{workshop.stack.api_url}/browse/inspect")
    expect(page.locator(".four figure")).to_have_count(4)
    page.keyboard.press("n")
    expect(page.locator(".said")).to_have_text("Saved: not alike.")
    assert graph_counts(connection).quadruples < before
    page.keyboard.press("u")
    expect(page.locator(".said")).to_have_text("Undone.")
    assert graph_counts(connection).quadruples == before


def test_every_page_can_be_used(workshop: Workshop, watched: Page, connection: Connection) -> None:
    page, address = watched, workshop.stack.api_url
    generation = fill(connection)
    give_embeddings(workshop, connection)
    axe = Axe()
    page.goto(f"{address}/browse")
    sections = page.locator("nav[aria-label=Sections] a").evaluate_all("links => links.map(one => one.pathname)")
    patch = connection.read("MATCH (p:Patch)-[:INTER_INSTANCE]-() RETURN p.id AS id, p.video_id AS video LIMIT 1")[0]
    details = [
        f"/browse/videos/{patch['video']}",
        f"/browse/patches/{patch['id']}",
        f"/browse/generations/{generation}",
        f"/browse/models/{MODEL}",
        "/browse/clusters/0",
        "/browse/inspect",
        "/browse/nowhere",
        "/problems",
    ]
    for place in [*sections, *details]:
        for width, scheme in ((WIDTHS[0], "dark"), (WIDTHS[2], "light"), (WIDTHS[1], "light")):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 800})
            if page.url != address + place:
                page.goto(address + place)
            beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert beyond <= 0, (place, width)
            if width == WIDTHS[2]:
                continue
            found = axe.run(page).response["violations"]
            grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in GRAVE]
            assert grave == [], (place, width, scheme)
        assert page.locator("h1").count() == 1, place
        if place in sections:
            assert page.locator("nav[aria-label=Sections] [aria-current]").count() == 1, place


def test_the_map_selects_by_a_lasso(workshop: Workshop, watched: Page, connection: Connection) -> None:
    fill(connection)
    ids = give_embeddings(workshop, connection)
    page = watched
    page.goto(f"{workshop.stack.api_url}/browse/map")
    expect(page.locator("#map .count")).to_contain_text(f"{len(ids)} patches")
    page.get_by_role("button", name="Lasso").click()
    box = page.locator("#map canvas").bounding_box()
    assert box is not None
    corners = [(0.02, 0.15), (0.98, 0.15), (0.98, 0.98), (0.02, 0.98)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=3)
    page.mouse.up()
    expect(page.locator("#selection")).to_be_visible()
    count = int(re.sub(r"\D", "", page.locator("#chosen").inner_text()))
    assert 0 < count <= len(ids)
    with page.expect_download() as started:
        page.get_by_role("button", name="Export ids").click()
    exported = Path(started.value.path()).read_text().split()
    assert len(exported) == count
    assert set(exported) <= set(ids)


def fill(connection: Connection) -> str:
    """Write a small linked collection; returns the generation's id."""
    world = make_world(patches=60, videos=12, seed=3, kinds=3, noise=0.3)
    write_world(connection, world)
    linking = link(world.features, world.starts, replace(PAPER, parents=3, smallest=2, group=2))
    return write_generation(connection, linking, "test-features")


def give_embeddings(workshop: Workshop, connection: Connection) -> list[str]:
    """Write pictures, embeddings and a map of every patch; returns the patches' ids."""
    rows = connection.read("MATCH (p:Patch) RETURN p.video_id AS video, collect(p.id) AS ids ORDER BY video")
    random = np.random.default_rng(5)
    jpeg = picture(workshop.settings.home.parent / "patch.jpg")
    for row in rows:
        vectors = random.normal(size=(len(row["ids"]), 16)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        workshop.shards.write_vectors(f"embeddings/{MODEL}/{row['video']}", row["ids"], vectors)
        workshop.shards.write_rows(f"patches/{row['video']}", {"id": row["ids"], "jpeg": [jpeg] * len(row["ids"])})
        workshop.shards.write_rows(f"frames/{row['video']}", {"frame": [0], "jpeg": [jpeg]})
    write_model(connection, Model(MODEL, "transitive", "demo", 10, 32, 16, "", "2026-01-02T00:00:00+00:00"))
    ids = [patch for row in rows for patch in row["ids"]]
    points = np.zeros(len(ids), MAP_ROW)
    points["id"] = [int(patch, 16) for patch in ids]
    points["x"], points["y"] = random.uniform(-0.5, 0.5, (2, len(ids)))
    folder = Path(workshop.settings.data) / "models" / MODEL
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / MAP, points)
    return ids


def picture(path: Path) -> bytes:
    """Return a grey JPEG of 96×96 pixels."""
    Image.new("RGB", (96, 96), (120, 130, 140)).save(path, "JPEG")
    return path.read_bytes()
