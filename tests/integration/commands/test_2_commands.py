"""Commands on a home that has learned something: each runs to success as a process of its own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from graph.generations.catalogue import require_generation
from graph.queries.quadruples import list_quadruples
from graph.shards import Shards
from tests.conftest import empty_graph
from tests.integration.commands.conftest import SMALL, LearnedHome
from tests.integration.conftest import draw_clip, finish, graph_sets
from tests.training.evaluation.conftest import write_labelled
from tests.training.evaluation.detection.shapes import write_shapes
from tests.training.evaluation.normals.room import write_room

# The demo with the short trainings of this home: 600 steps take minutes. All else is as in `transitive demo`.
SHORT_DEMO = """
import functools
from api.cli import main
from api.cli.commands import demo
demo.TrainRequest = functools.partial(demo.TrainRequest, iterations=11)
main.main()
"""

# Growing with the same short trainings, on links that few clips can give.
SHORT_GROW = """
import functools
from api.cli import main
from api.cli.commands import grow
from graph.linking.parameters import LinkParameters
grow.TrainRequest = functools.partial(grow.TrainRequest, iterations=11)
grow.LinkRequest = functools.partial(grow.LinkRequest, parameters=LinkParameters(parents=3, smallest=1))
main.main()
"""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train and val of three classes told apart by colour."""
    return write_labelled(tmp_path_factory.mktemp("labelled"), {"train": 4, "val": 2})


def is_picture(path: Path) -> bool:
    with Image.open(path) as picture:
        picture.load()
        return bool(np.ptp(np.asarray(picture)))


def test_list_names_what_is_there(learned: LearnedHome) -> None:
    listed = {kind: learned.run("list", kind)[kind] for kind in ("videos", "models", "generations")}
    assert {video["name"] for video in listed["videos"]} == {clip.name for clip in learned.clips}
    assert learned.model in {model["id"] for model in listed["models"]}
    assert [one["current"] for one in listed["generations"]] == [True]
    lines = learned.workshop.run("list", "generations").out.splitlines()
    assert lines[0].startswith(f"* {listed['generations'][0]['id']}")


def test_graph_counts_quadruples_and_explains_one(learned: LearnedHome) -> None:
    assert learned.run("graph", "quadruples")["quadruples"] == learned.report["graph"]["quadruples"] > 0
    quadruple = list_quadruples(learned.connection, limit=1)[0][0]
    why = learned.workshop.run("graph", "why", quadruple.a_prime, quadruple.b_prime)
    assert why.code == 0
    for patch in (quadruple.a, quadruple.a_prime, quadruple.b, quadruple.b_prime):
        assert patch in why.out


def test_graph_style_writes_both_files_of_the_browser(learned: LearnedHome, tmp_path: Path) -> None:
    facts = learned.run("graph", "style", "--output", tmp_path / "browser")
    assert "node.Patch" in Path(facts["style"]).read_text()
    with zipfile.ZipFile(facts["queries"]) as archive:
        queries = [archive.read(name).decode() for name in archive.namelist()]
    assert len(queries) > 3
    assert all("MATCH" in query for query in queries)


def test_evaluate_without_labels(learned: LearnedHome, tmp_path: Path) -> None:
    health = learned.run("evaluate", "health")
    assert health["model"] == learned.model
    assert 0 <= health["embedding"]["auc"] <= 1
    links = learned.run("evaluate", "links", "--sheet", tmp_path / "links.png")
    edges = learned.connection.read("MATCH ()-[e:INTER_INSTANCE]->() RETURN count(e) AS n")[0]["n"]
    assert links["edges"] == edges > 0
    assert is_picture(tmp_path / "links.png")
    units = learned.run("evaluate", "units", "--model", learned.model, "--most-selective", "2", "--output", tmp_path)
    patches = {row["id"] for row in learned.connection.read("MATCH (p:Patch) RETURN p.id AS id")}
    assert [set(unit["patches"]) <= patches for unit in units["units"]] == [True, True]
    assert is_picture(tmp_path / "units.png")


def test_evaluate_on_labelled_pictures(learned: LearnedHome, labelled: Path, tmp_path: Path) -> None:
    picture = tmp_path / "neighbours.png"
    found = learned.run("evaluate", "retrieval", "--data", labelled / "train", "--picture", picture)
    assert found["model"] == learned.model
    assert found["pool5"]["mAP@R"] > 0.9  # the classes are colours
    assert is_picture(picture)
    probed = learned.run("evaluate", "probe", "--data", labelled, "--model", learned.model, "--output", tmp_path)
    assert {"conv1", "conv5", "embedding"} <= probed["stages"].keys()
    assert probed["stages"]["conv1"]["linear"] > 0.9


def test_evaluate_by_the_tables_of_the_paper(learned: LearnedHome, tmp_path: Path) -> None:
    few = ("--model", learned.model, "--preset", "cpu-small", "--iterations", "2", "--output")
    found = learned.run("evaluate", "detection", "--data", write_shapes(tmp_path / "voc"), *few, tmp_path / "found")
    assert found["AP"].keys() >= {"square", "disc"}
    assert is_picture(tmp_path / "found" / "detection.png")
    found = learned.run("evaluate", "normals", "--data", write_room(tmp_path / "room"), *few, tmp_path / "angles")
    assert 0 < found["measures"]["mean"] < 180
    assert is_picture(tmp_path / "angles" / "normals.png")


def test_compare_trains_measures_and_finds_its_models_again(
    learned: LearnedHome, labelled: Path, tmp_path: Path
) -> None:
    asked = ("compare", "scratch", "tracking", "--preset", "demo", "--seeds", "1", "--budget", "400")
    asked += ("--data", str(labelled / "train"), "--output", str(tmp_path / "table"))
    first = learned.workshop.run(*asked, "--json")
    assert first.code == 0, first.err
    assert list(first.facts["table"]) == ["scratch", "tracking"]
    written = (tmp_path / "table" / "tracking-s0" / "model.json").stat().st_mtime_ns
    assert learned.workshop.run(*asked, "--json").out == first.out
    assert (tmp_path / "table" / "tracking-s0" / "model.json").stat().st_mtime_ns == written
    assert "<table" in (tmp_path / "table" / "comparison.html").read_text()


def test_a_pack_trains_elsewhere_and_its_model_is_imported_and_exported(learned: LearnedHome, tmp_path: Path) -> None:
    pack, folder = tmp_path / "some.pack", tmp_path / "trained"
    assert learned.run("export", "--pack", pack)["bytes"] == pack.stat().st_size
    initial = Path(learned.workshop.settings.data) / "models" / str(learned.report["models"]["before"]["id"])
    alone = {"TRANSITIVE_HOME": str(tmp_path / "no home"), "NEO4J_URI": "bolt://nowhere.invalid:1", "REDIS_URL": ""}
    trained = learned.run(
        *("train", "tracking", *SMALL, "--pack", pack, "--output", folder, "--initial", initial), **alone
    )
    assert not (tmp_path / "no home").exists()
    imported = learned.run("import-model", folder)
    assert (imported["id"], imported["step"]) == (trained["id"], 11)
    assert trained["id"] in {model["id"] for model in learned.run("list", "models")["models"]}
    exported = learned.run("export-model", trained["id"], tmp_path / "weights.safetensors")
    weights = load_file(tmp_path / "weights.safetensors")
    assert sorted(weights) == exported["names"]
    assert weights["features.0.weight"].shape[1:] == (3, 3, 3)


def test_a_new_clip_joins_the_links_and_is_deleted(learned: LearnedHome, tmp_path: Path) -> None:
    before = require_generation(learned.connection)
    (clip,) = learned.run("ingest", draw_clip(tmp_path / "new.mp4", 9))["videos"]
    joined = learned.run("link", "--join")
    assert joined["generation"] != before.id
    assert set(require_generation(learned.connection).videos) == {*before.videos, clip}
    assert learned.run("graph", "delete", before.id)["deleted"] == before.id
    assert not learned.connection.read("MATCH (g:Generation {id: $id}) RETURN g", id=before.id)
    assert learned.run("delete", "new.mp4")["deleted"] == clip
    assert not Shards(learned.workshop.settings.data).exists(f"patches/{clip}")


def test_a_map_needs_a_model(learned: LearnedHome) -> None:
    result = learned.workshop.run("map", "--model", "none")
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("transitive: There is no model none.")


def test_growing_links_trains_and_measures_and_stops_without_a_gain(learned: LearnedHome) -> None:
    start = str(learned.report["models"]["before"]["id"])
    arguments = ("grow", "--rounds", "2", "--preset", "demo", "--features", start, "--json")
    result = finish(
        subprocess.Popen(
            [sys.executable, "-c", SHORT_GROW, *arguments],
            env=learned.workshop.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    assert result.code == 0, result.err
    rounds = result.facts["rounds"]
    assert rounds[0]["model"] == start
    assert rounds[1]["features"] == start
    assert [one["features"] for one in rounds[1:]] == [one["model"] for one in rounds[:-1]]
    assert {one["model"] for one in rounds} <= {model["id"] for model in learned.run("list", "models")["models"]}
    made = {one["id"]: one for one in learned.run("list", "generations")["generations"]}
    assert [made[one["generation"]]["feature_model"] for one in rounds[1:]] == [one["features"] for one in rounds[1:]]
    gained = [one["gain"]["low"] > 0 for one in rounds[1:]]
    assert all(gained[:-1])  # the growth goes on only after a gain
    assert len(rounds) == 3 or not gained[-1]
    assert result.facts["best"] == rounds[sum(gained)]["model"]


def test_the_demo_ends_in_a_report_and_leaves_the_system_running(learned: LearnedHome) -> None:
    command = [sys.executable, "-c", SHORT_DEMO, "demo", "--videos", str(learned.clips[0].parent), "--json"]
    result = finish(
        subprocess.Popen(
            command, env=learned.workshop.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    )
    assert result.code == 0, result.err
    assert result.facts["models"]["after"]["step"] == 11
    assert Path(result.facts["report"]).is_file()
    assert learned.run("status")["api"] == result.facts["addresses"]["browse the patches"]
    assert "small numbers" in result.facts["notes"][0]


def test_an_export_is_imported_as_the_same_graph_and_files(learned: LearnedHome, tmp_path: Path) -> None:
    before = graph_sets(learned.connection)
    exported = learned.run("export", tmp_path / "moved")
    empty_graph(learned.connection)
    other = {"TRANSITIVE_HOME": str(tmp_path / "other home")}
    try:
        imported = learned.run("import", tmp_path / "moved", **other)
        assert imported["counts"] == exported["counts"]
        after = graph_sets(learned.connection)
        assert {name: rows for name, rows in after.items() if name != "jobs"} == {
            name: rows for name, rows in before.items() if name != "jobs"
        }
        assert Shards(str(tmp_path / "other home" / "data")).files() == learned.workshop.shards.files()
    finally:
        learned.run("down", **other)
