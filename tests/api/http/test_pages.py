"""Tests of pages: they show the graph, escape names, and load nothing from other hosts."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from api.http.pages import video_pages
from api.http.service import Service
from api.keys import KeyStore, Scope
from graph.jobs import finish_job
from graph.records import Video
from graph.settings import load_settings
from graph.videos import delete_video, write_video
from tests.api.conftest import NAMES, World
from workers.requests import IngestRequest


class Reader(HTMLParser):
    """Collects a page's tags and the addresses it loads or leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.inside_scripts = ""
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_script = tag == "script"
        assert not any(name == "style" or name.startswith("on") for name, _ in attributes), attributes
        self.addresses += [value or "" for name, value in attributes if name in ("href", "src", "action")]

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        self.inside_scripts += data.strip() if self._in_script else ""


def test_every_page_that_can_be_reached_renders_and_loads_nothing_from_elsewhere(world: World) -> None:
    seen: set[str] = set()
    waiting = ["/browse", "/docs", "/problems"]
    pages = 0
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = world.client.get(address)
        assert answer.status_code == 200, address
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        pages += 1
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        reader = Reader(answer.text)
        assert "style" not in reader.tags
        assert not reader.inside_scripts, "the policy forbids scripts inside a page"
        assert all(re.match("/(?!/)|#", a) for a in reader.addresses), address
        waiting += [a.split("#")[0] or address for a in reader.addresses]
    assert pages >= len(world.patches) + len(world.videos) + 8
    assert {f"/patches/{p.id}/image" for p in world.patches} <= seen


def test_names_are_escaped_wherever_they_are_shown(world: World) -> None:
    for video in world.videos:
        patch = next(p for p in world.patches if p.video_id == video.id)
        for address in ("/browse/videos", f"/browse/videos/{video.id}", f"/browse/patches/{patch.id}"):
            text = world.client.get(address).text
            assert html.escape(video.name) in text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
            assert "<script>" not in text
    assert NAMES[0].startswith("<script>")


def test_a_videos_page_says_what_was_left_out(world: World) -> None:
    video = Video(id="e" * 32, name="odd.mp4", report=json.dumps({"notes": ["12 frames of 900 left out: damaged."]}))
    write_video(world.connection, video, [], [])
    try:
        assert "<li>12 frames of 900 left out: damaged.</li>" in world.client.get(f"/browse/videos/{video.id}").text
    finally:
        delete_video(world.connection, video.id)
    assert "left out" not in world.client.get(f"/browse/videos/{world.videos[0].id}").text


def test_a_patch_page_says_why(world: World) -> None:
    quadruple = world.client.get("/graph/quadruples?limit=1").json()["items"][0]
    text = world.client.get(f"/browse/patches/{quadruple['a']}").text
    assert "same object 30 frames later, tracked with confidence 0.90" in text
    assert re.search(r"mutually among the nearest by features: distance \d\.\d+", text)
    assert f"/browse/patches/{quadruple['a_prime']}" in text
    assert f"/browse/clusters/{quadruple['a_parent']}" in text
    assert "cosine" in text


@pytest.mark.parametrize("page", ["", "/videos", "/quadruples", "/clusters", "/jobs"])
def test_pages_of_an_empty_graph_say_what_to_do(client: httpx.Client, page: str) -> None:
    answer = client.get(f"/browse{page}")
    assert answer.status_code == 200
    assert re.search("There are none|There are no videos yet", answer.text)


def test_what_is_not_there_is_a_page_too(world: World) -> None:
    answer = world.client.get(f"/browse/patches/{'f' * 16}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "There is no patch" in answer.text
    assert world.client.get("/", follow_redirects=False).headers["location"] == "/browse"


def test_pages_of_many_lead_on(world: World) -> None:
    found = []
    following = "/browse/quadruples"
    while following:
        text = world.client.get(following).text
        found += re.findall(r'class="quadruple"', text)
        link = re.search(r'rel="next" href="([^"]+)"', text)
        following = html.unescape(link.group(1)) if link else ""
    assert len(found) == world.client.get("/graph/stats").json()["quadruples"] > 20


def test_a_long_sheet_leads_on_to_its_next_windows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_pages, "MOST_WINDOWS", 1)
    place = f"/browse/videos/{world.videos[0].id}"
    first = world.client.get(place).text
    assert "Windows 1 to 1 of 2" in first
    assert "refused: nothing moves on its own" not in first
    assert f'href="{place}?window=1#sheet"' in first
    second = world.client.get(f"{place}?window=1").text
    assert "refused: nothing moves on its own" in second
    assert "Next windows" not in second
    assert "The video has 2 windows." in world.client.get(f"{place}?window=2").text


def test_only_admin_keys_see_the_servers_folders_on_the_page_of_a_job(client: httpx.Client, home: Path) -> None:
    hidden = "/srv/of the lab/films"
    connection = Service.open(load_settings())
    request = IngestRequest(f"{hidden}/a.mp4", "1" * 32)
    job = connection.submit(request)
    finish_job(connection.connection, job.id, "failed", reason="/srv/films/a.mp4 is no video, see /tmp/x.log.")
    connection.close()
    (home / "logs").mkdir()
    (home / "logs" / "worker-mining.log").write_text(f"2026-01-01 {hidden} (job {job.id})\n")
    store = KeyStore(home)
    for scope in (Scope.READ, Scope.INGEST, Scope.ADMIN, None):
        key = {"Authorization": f"Bearer {store.create(str(scope), scope)[1]}"} if scope else {}
        text = client.get(f"/browse/jobs/{job.id}", headers=key).raise_for_status().text
        assert (hidden in text) == (scope in (Scope.ADMIN, None))
        assert "/srv/films" not in text
        assert "a.mp4" in text
        assert client.get(f"/jobs/{job.id}", headers=key).json()["reason"] == "…/a.mp4 is no video, see …/x.log."
