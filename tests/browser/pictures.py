"""Screenshots of Neo4j Browser for docs/graph.md, with synthetic patches in a separate Neo4j server.

    python -m tests.browser.pictures [docs/pictures]

The style and the saved queries are those of `transitive graph style`. The pictures show no video content.
"""

import os
import shutil
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import link
from graph.queries.browser_style import QUERIES, SavedQuery, style_command
from graph.queries.quadruples import list_quadruples
from graph.server.neo4j import Neo4jDetails
from tests.graph.linking_data import make_world, write_world
from tests.temporary_neo4j import temporary_neo4j

SHOWN = ("01-quadruples", "02-children", "04-edges-between-videos", "05-closest-pairs", "06-one-video", "09-why-alike")
COLOURS = 64  # size of a picture's palette


def open_browser(page: Page, server: Neo4jDetails) -> None:
    """Log in through the form."""
    page.goto(server.browser_url)
    page.fill("[data-testid=username]", server.user)
    page.fill("[data-testid=password]", server.password_file.read_text().strip())
    page.click("[data-testid=connect]")
    page.wait_for_selector("[data-testid=connect]", state="detached")
    page.get_by_text("You are connected as user").wait_for()  # until then, the page moves the cursor


def run(page: Page, text: str) -> None:
    """Type a command or a query and run it."""
    page.click("#monaco-main-editor")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    page.keyboard.press("Control+Enter")


def draw(page: Page, query: SavedQuery, written: dict[str, str]) -> bytes:
    """Run one saved query on an empty page; returns a PNG of its frame after the layout has settled."""
    run(page, ":clear")
    page.locator("article").first.wait_for(state="detached")
    text = query.text
    for asked, answer in written.items():
        text = text.replace(asked, answer)
    run(page, text)
    frame = page.locator("article").first
    frame.locator("svg g.node, tbody tr").first.wait_for()
    page.wait_for_timeout(6000)
    fit = frame.locator("[aria-label=zoom-to-fit]")
    if fit.count():
        fit.click()
        page.wait_for_timeout(1500)
    return frame.screenshot()


def save(picture: bytes, path: Path) -> None:
    """Write a PNG with few colours, which takes tens of kilobytes."""
    Image.open(BytesIO(picture)).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


def fill(server: Neo4jDetails) -> dict[str, str]:
    """Write a small synthetic collection into the graph; returns the values for the queries' placeholders."""
    world = make_world(patches=90, videos=12, seed=3, kinds=4, noise=0.35)
    with server.connect() as connection:
        write_world(connection, world)
        write_generation(connection, link(world.features, world.starts, replace(PAPER, parents=4, smallest=4)), "hog")
        quadruple, _ = list_quadruples(connection, limit=1)[0]
    return {"part of its name": "007", "'one id'": f"'{quadruple.a_prime}'", "'other id'": f"'{quadruple.b_prime}'"}


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        sys.exit("No Chromium here (Debian and Ubuntu: apt install chromium).")
    arguments = ["--disable-gpu", "--no-first-run"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with temporary_neo4j() as details, sync_playwright() as playwright:
        written = fill(details)
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        page.set_default_timeout(60_000)
        open_browser(page, details)
        run(page, style_command())
        page.get_by_text("shaft-width").first.wait_for()
        for query in QUERIES:
            if query.file in SHOWN:
                save(draw(page, query, written), folder / f"graph-{query.file}.png")
        browser.close()


if __name__ == "__main__":
    main()
