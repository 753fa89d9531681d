"""Screenshots of the pages for docs/pages.md, with drawn clips in a separate stack.

    python -m tests.browser.page_pictures [docs/pictures]

The clips are drawn (textures that move over textures), so the pictures show no video of anybody.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from api.cli.stack import Stack
from graph.settings import load_settings
from tests.browser.pictures import save
from tests.integration.conftest import COMMAND, draw_clip

CLIPS = 5
SIZE = {"width": 1280, "height": 860}
VIDEO = "the video with the most patches"
SHOTS = {  # file: page, and what must be seen before the picture is taken
    "page-overview": ("/browse", ".stats"),
    "page-video": (VIDEO, "#player .timeline rect"),
    "page-inspect": ("/browse/inspect", ".four figure img"),
}


def make_collection(home: Path, stack: Stack) -> None:
    """Draw the clips, ingest them and link them by HOG."""
    stack.up()
    clips = [draw_clip(home / f"drawn {seed}.mp4", seed, frames=120) for seed in range(CLIPS)]
    environment = {"TRANSITIVE_HOME": str(home), "PATH": "/usr/bin:/bin"}
    for arguments in (["ingest", *map(str, clips)], ["link", "--features", "hog"]):
        subprocess.run([str(COMMAND), *arguments], env=environment, check=True)


def shoot(page: Page, address: str, place: str, awaited: str) -> bytes:
    """Open a page, wait until it shows what it is about, and take its picture."""
    if place == VIDEO:
        page.goto(f"{address}/browse/videos?sort=patches")
        page.locator("#gallery a").first.click()
    else:
        page.goto(address + place)
    page.locator(awaited).first.wait_for()
    page.wait_for_timeout(1500)
    return page.screenshot()


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        settings = load_settings({"TRANSITIVE_HOME": name})
        stack = Stack(settings)
        try:
            make_collection(Path(name), stack)
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", "--enable-unsafe-swiftshader"]
            )
            page = browser.new_page(viewport=SIZE, color_scheme="light")
            page.set_default_timeout(60_000)
            for file, (place, awaited) in SHOTS.items():
                save(shoot(page, stack.api_url, place, awaited), folder / f"{file}.png")
            browser.close()
        finally:
            stack.down()


if __name__ == "__main__":
    main()
