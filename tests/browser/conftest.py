"""A headless Chromium for the browser tests, and a folder for their screenshots."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

_QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Folder of the screenshots, which git ignores."""
    folder = Path(__file__).parents[2] / ".artifacts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page of a new browser; without Chromium (apt install chromium), the test is skipped."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine (Debian and Ubuntu: apt install chromium)")
    arguments = _QUIET + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        page = browser.new_page(viewport={"width": 1400, "height": 1100})
        page.set_default_timeout(60_000)
        yield page
        browser.close()
