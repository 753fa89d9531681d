"""API keys: hashed at rest, needed where the server is open, enough for their scope only, and gone when revoked."""

import stat
from pathlib import Path

import httpx
import pytest

from api.http.door.scopes import needed_scope
from api.http.door.session import COOKIE, SESSION_S, key_of_session, session_for
from api.keys import KeyStore, Scope, is_loopback, refuse_open_door
from graph.errors import InvalidInput, NotFound
from graph.settings import load_settings
from tests.api.http.door.conftest import Serve

AWAY = 503  # what a request gets that was let in: Neo4j is away


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_key_is_stored_hashed_for_the_owner_only(tmp_path: Path) -> None:
    key, text = KeyStore(tmp_path).create("camera", Scope.INGEST)
    file = tmp_path / "secrets" / "api_keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    secret = text.split("_", 2)[2]
    assert secret not in file.read_text()
    assert key.hash in file.read_text()
    assert KeyStore(tmp_path).find(text) == key


def test_a_wrong_key_is_none(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    key, text = store.create("one", Scope.READ)
    _, other = store.create("two", Scope.ADMIN)
    mixed = f"tik_{key.id}_{other.split('_', 2)[2]}"
    for wrong in (
        "",
        "tik",
        "tik__",
        text[:-1],
        text + "x",
        mixed,
        text.replace("tik", "TIK"),
        "tik_\ud800_x",
        "ü" * 99,
    ):
        assert store.find(wrong) is None


def test_another_process_sees_a_revoked_key_at_once(tmp_path: Path) -> None:
    here, there = KeyStore(tmp_path), KeyStore(tmp_path)
    key, text = here.create("x", Scope.READ)
    assert there.find(text) == key
    here.revoke(key.id)
    assert there.find(text) is None
    with pytest.raises(NotFound, match="transitive key list"):
        here.revoke(key.id)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        KeyStore(tmp_path).create(name, Scope.READ)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/videos", Scope.READ), ("POST", "/similar", Scope.READ), ("POST", "/embeddings", Scope.READ),
        ("POST", "/embeddings/lookup", Scope.READ), ("POST", "/videos", Scope.INGEST),
        ("POST", "/embeddings/jobs", Scope.INGEST), ("POST", "/models/x/map", Scope.INGEST),
        ("PATCH", "/uploads/abc", Scope.INGEST),
        ("DELETE", "/videos/x", Scope.ADMIN), ("POST", "/links", Scope.ADMIN), ("POST", "/trainings", Scope.ADMIN),
        ("DELETE", "/jobs/x", Scope.ADMIN), ("PUT", "/models/current", Scope.ADMIN), ("POST", "/unknown", Scope.ADMIN),
        ("PATCH", "/videos", Scope.ADMIN),
    ],
)  # fmt: skip
def test_what_a_request_needs(method: str, path: str, scope: Scope) -> None:
    assert needed_scope(method, path) == scope


@pytest.mark.parametrize("path", ["/videos", "/openapi.json", "/metrics", f"/patches/{16 * '0'}/image", "/no"])
def test_without_a_key_nothing_is_answered(guarded: httpx.Client, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "/login" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login", "/browse/static/base.css"])
def test_probes_and_the_login_form_need_no_key(guarded: httpx.Client, path: str) -> None:
    assert guarded.get(path).status_code in (200, AWAY)


def test_each_scope_allows_itself_and_what_comes_before(guarded: httpx.Client, keys: dict[Scope, str]) -> None:
    requests = {Scope.READ: ("GET", "/videos"), Scope.INGEST: ("POST", "/videos"), Scope.ADMIN: ("DELETE", "/jobs/x")}
    for held, text in keys.items():
        for needed, (method, path) in requests.items():
            answer = guarded.request(method, path, headers=bearer(text))
            assert answer.status_code == (AWAY if held.includes(needed) else 403), (held, needed)


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic YTpi", "Bearer", "bearer tik_00_x", "Bearer " + "x" * 5000])
def test_a_wrong_key_is_401_everywhere(guarded: httpx.Client, header: str) -> None:
    assert guarded.get("/videos", headers={"Authorization": header}).status_code == 401


def test_on_loopback_no_key_is_needed_but_a_wrong_one_is_refused(serve: Serve, tmp_path: Path) -> None:
    client = serve()
    assert client.get("/videos").status_code == AWAY
    assert client.get("/videos", headers=bearer("tik_00000000_wrong")).status_code == 401
    _, text = KeyStore(tmp_path).create("reader", Scope.READ)
    assert client.delete("/jobs/x", headers=bearer(text)).status_code == 403


def test_a_server_beyond_this_machine_asks_for_a_key_on_every_address(serve: Serve, tmp_path: Path) -> None:
    _, text = KeyStore(tmp_path).create("reader", Scope.READ)
    client = serve(TRANSITIVE_HOST="0.0.0.0")
    assert client.get("/videos").status_code == 401
    assert client.get("/videos", headers=bearer(text)).status_code == AWAY


def test_it_does_not_start_beyond_this_machine_without_a_key(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.7", "camera.example"):
        settings = load_settings({"TRANSITIVE_HOME": str(tmp_path), "TRANSITIVE_HOST": host})
        with pytest.raises(InvalidInput, match="transitive key create"):
            refuse_open_door(settings)
    refuse_open_door(load_settings({"TRANSITIVE_HOME": str(tmp_path)}))
    KeyStore(tmp_path).create("x", Scope.READ)
    refuse_open_door(settings)


@pytest.mark.parametrize(
    ("host", "inside"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("10.0.0.1", False), ("localhost.example", False), ("", False)],
)  # fmt: skip
def test_what_is_loopback(host: str, inside: bool) -> None:
    assert is_loopback(host) is inside


def test_pages_lead_to_the_form_and_the_form_back(guarded: httpx.Client, keys: dict[Scope, str]) -> None:
    led = guarded.get("/browse/videos")
    assert (led.status_code, led.headers["location"]) == (303, "/login?next=/browse/videos")
    wrong = guarded.post("/login", data={"key": "tik_00000000_no", "next": "/browse"})
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    right = guarded.post("/login", data={"key": keys[Scope.READ], "next": "/browse/videos"})
    assert (right.status_code, right.headers["location"]) == (303, "/browse/videos")
    assert 'action="/logout"' in guarded.get("/browse/no-such-page", headers={"Accept": "text/html"}).text
    with_key = guarded.get("/browse/no", headers={"Accept": "text/html", **bearer(keys[Scope.READ])})
    assert 'action="/logout"' not in with_key.text  # a program has nothing to log out of
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert keys[Scope.READ].split("_", 2)[2] not in cookie
    name, value = cookie.split(";")[0].split("=", 1)
    assert guarded.get("/videos", headers={"Cookie": f"{name}={value}"}).status_code == AWAY
    assert guarded.delete("/jobs/x", headers={"Cookie": f"{name}={value}"}).status_code == 403
    guarded.cookies.clear()


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x=1"]
)
def test_the_form_leads_to_no_other_site(guarded: httpx.Client, keys: dict[Scope, str], target: str) -> None:
    answer = guarded.post("/login", data={"key": keys[Scope.READ], "next": target})
    assert answer.headers["location"] == "/browse"
    assert "x=1" not in answer.headers["set-cookie"]
    guarded.cookies.clear()


def test_a_session_ends_with_its_time_its_key_and_any_change(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    key, _ = store.create("x", Scope.READ)
    good = session_for(key)
    assert key_of_session(good, store) == key
    assert key_of_session(session_for(key, now=-SESSION_S), store) is None
    head, ends, signature = good.split(".")
    for changed in (f"{head}.{int(ends) + 1}.{signature}", f"{head}.{ends}.{'0' * 64}", "", "...", f"{head}.²."):
        assert key_of_session(changed, store) is None
    store.revoke(key.id)
    assert key_of_session(good, store) is None


@pytest.mark.parametrize("cookie", [f"{COOKIE}=", f"{COOKIE}=a.b.c", 'x="unclosed', "=;=;="])
def test_a_broken_cookie_is_no_key(guarded: httpx.Client, cookie: str) -> None:
    assert guarded.get("/videos", headers={"Cookie": cookie}).status_code == 401
