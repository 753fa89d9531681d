"""Normals: planes in closed form, the codebook, angles, the trunk in the head, a killed training, bad folders."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from graph.errors import Conflict, InvalidInput
from tests.training.evaluation.normals.room import CAMERA, evaluate, narrow_subject, plane_depth, write_room
from training.encoder import encode
from training.evaluation.evaluation_lock import evaluation_lock
from training.evaluation.normals.codebook import angle_measures, angles, encode_normals, fit_codebook
from training.evaluation.normals.data import scene_of
from training.evaluation.normals.depth_folder import open_depth_folder
from training.evaluation.normals.evaluate import get_preset, with_iterations
from training.evaluation.normals.from_depth import normals_of
from training.evaluation.normals.network import NormalsNetwork, codeword_loss, decode_normals
from training.evaluation.normals.scene_cache import SceneCache


@pytest.fixture
def room(tmp_path: Path) -> Path:
    return write_room(tmp_path / "room")


@pytest.mark.parametrize("normal", [(0.0, 0.0, -1.0), (0.5, 0.0, -1.0), (-0.3, 0.6, -1.0)])
def test_a_plane_has_its_normal_everywhere(normal: tuple[float, float, float]) -> None:
    truth = np.array(normal) / np.linalg.norm(normal)
    found, valid = normals_of(plane_depth(truth), CAMERA)
    inner = np.zeros_like(valid)
    inner[4:-4, 4:-4] = True
    assert valid[inner].mean() > 0.95
    assert angles(found[valid & inner], np.broadcast_to(truth, found.shape)[valid & inner]).max() < 0.1


def test_pixels_at_a_depth_edge_and_without_depth_are_not_valid() -> None:
    depth = np.full((64, 96), 1.0)
    depth[:, 48:] = 3.0
    depth[:10, :10] = 0
    _, valid = normals_of(depth, CAMERA)
    assert not valid[20:40, 46:50].any()
    assert not valid[:10, :10].any()
    assert valid[20:40, 15:40].all()
    assert valid[20:40, 60:80].all()


def test_angles_and_their_measures_in_closed_form() -> None:
    degrees = np.radians([0.0, 11.25, 20.0, 30.0, 90.0, 180.0])
    turned = np.stack([np.cos(degrees), np.sin(degrees), 0 * degrees], axis=1).astype(np.float32)
    found = angles(turned, np.broadcast_to(np.float32([1, 0, 0]), turned.shape))
    assert found == pytest.approx(np.degrees(degrees), abs=1e-4)
    measures = angle_measures(np.array([0.0, 11.25, 20.0, 30.0, 90.0]))
    assert measures == {"mean": 30.25, "median": 20.0, "within 11.25": 0.4, "within 22.5": 0.6, "within 30": 0.8}


def test_the_codebook_finds_separate_directions() -> None:
    directions = np.eye(3, dtype=np.float32)
    generator = np.random.default_rng(0)
    normals = directions[generator.integers(3, size=600)] + 0.05 * generator.standard_normal((600, 3))
    normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)
    codebook = fit_codebook(normals, 3, seed=0)
    assert (codebook @ directions.T).max(0) == pytest.approx(1.0, abs=0.01)
    assert np.array_equal(encode_normals(codebook, codebook), np.arange(3))


def test_certain_logits_decode_to_their_codeword_and_invalid_pixels_cost_nothing() -> None:
    codebook = torch.eye(3)
    classes = torch.tensor([[[0, 2], [1, -1]]])
    logits = 50 * torch.nn.functional.one_hot(classes.clamp(min=0), 3).permute(0, 3, 1, 2).float()
    assert torch.allclose(decode_normals(logits, codebook)[0, 0, 1], codebook[2])
    assert codeword_loss(logits, classes).item() == pytest.approx(0.0, abs=1e-6)


def test_the_trunk_in_the_head_is_the_encoders_bit_for_bit(tmp_path: Path) -> None:
    subject = narrow_subject(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    network = NormalsNetwork(subject, 8, 4, 0.0)
    with torch.inference_mode():
        maps = network.trunk(torch.from_numpy(pixels))
    assert np.array_equal(maps.flatten(1).numpy(), encode(subject.network, pixels, "pool5", torch.device("cpu")))
    assert network(torch.from_numpy(pixels[:, :64])).shape == (2, 4, 64, 96)


def test_a_killed_training_ends_as_one_that_was_not(killed_heads: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", killed_heads / "normals"
    assert (killed / "checkpoints" / "last.pt").is_file()
    found = [evaluate(killed_heads / "room", out) for out in (killed, whole)]
    assert found[0] == found[1]
    first, second = (load_file(out / "checkpoints" / "last.safetensors") for out in (killed, whole))
    assert all(np.array_equal(first[name], second[name]) for name in second)
    facts = json.loads((whole / "normals.json").read_text())
    assert (facts["train"], facts["test"]) == (5, 1)
    low, high = facts["mean, 95 % over test pictures"]
    assert low == pytest.approx(high) == pytest.approx(facts["measures"]["mean"])  # one test picture
    assert facts["one normal for all pixels"]["mean"] > 1
    with Image.open(whole / "normals.png") as picture:
        assert picture.size == (3 * 48, 16 + 32)


def test_normals_of_sampled_pixels_are_those_of_all(room: Path) -> None:
    frame = open_depth_folder(room).read(0)
    rows, columns = np.arange(0, 64, 3), np.arange(1, 96, 5)
    whole, sampled = normals_of(frame.depth, CAMERA), normals_of(frame.depth, CAMERA, rows, columns)
    for every, some in zip(whole, sampled, strict=True):
        assert np.array_equal(every[rows][:, columns], some)


def test_fitted_normals_are_kept_and_damaged_files_made_anew(room: Path, tmp_path: Path) -> None:
    data = open_depth_folder(room)
    cache = SceneCache.below(tmp_path / "cache", data, 48, 32)
    told: list[int] = []
    cache.fill(lambda stage, done, total, unit: told.append(done))
    assert told == [1, 2, 3, 4, 5, 6]
    fitted = scene_of(data.read(3), data.camera, 48, 32)
    codebook = cache.codebook(4, 0)
    for _, depth in data.pairs:
        depth.write_bytes(b"")  # nothing is read again
    kept = cache.read(3)
    assert np.array_equal(kept.colours, fitted.colours)
    assert np.array_equal(kept.valid, fitted.valid)
    assert angles(kept.normals[kept.valid], fitted.normals[fitted.valid]).max() < 0.003
    assert np.array_equal(cache.codebook(4, 0), codebook)
    damaged = cache.folder / "3.npz"
    damaged.write_bytes(damaged.read_bytes()[:90])
    with pytest.raises(InvalidInput, match=r"frame-3\.depth\.png is not a readable depth picture"):
        cache.read(3)


def test_other_sizes_and_data_have_caches_of_their_own(room: Path, tmp_path: Path) -> None:
    first = SceneCache.below(tmp_path, open_depth_folder(room), 48, 32)
    (room / "frame-5.depth.png").unlink()
    folders = {first.folder, SceneCache.below(tmp_path, first.data, 24, 16).folder}
    assert len(folders | {SceneCache.below(tmp_path, open_depth_folder(room), 48, 32).folder}) == 3


def test_a_second_evaluation_in_one_folder_is_refused(room: Path, tmp_path: Path) -> None:
    with (
        evaluation_lock(tmp_path, "normals"),
        pytest.raises(Conflict, match="Another evaluation of normals is running"),
    ):
        evaluate(room, tmp_path)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "count"), [("7scenes", 84), ("nyu", 3)])
def test_both_layouts_of_folders_are_read(shared_data: Path, tmp_path: Path, name: str, count: int) -> None:
    folder = shared_data / "rgbd" / name
    if not (folder / "camera-intrinsics.txt").is_file():  # 7-Scenes' own is near enough to read by
        for file in folder.iterdir():
            (tmp_path / file.name).symlink_to(file)
        intrinsics = shared_data / "rgbd" / "7scenes" / "camera-intrinsics.txt"
        (tmp_path / "camera-intrinsics.txt").write_bytes(intrinsics.read_bytes())
        folder = tmp_path
    data = open_depth_folder(folder)
    assert len(data.train) + len(data.test) == count
    scene = scene_of(data.read(0), data.camera, 80, 60)
    assert scene.valid.mean() > 0.3
    assert (scene.normals[scene.valid][:, 2] < 0).mean() > 0.9  # surfaces face the camera


def test_bad_folders_are_named(room: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no folder"):
        open_depth_folder(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="holds 0 pairs"):
        open_depth_folder(tmp_path / "empty")
    folder = open_depth_folder(room)
    colour, depth = folder.pairs[0]
    Image.fromarray(np.zeros((64, 96), np.uint16)).save(depth)
    with pytest.raises(InvalidInput, match=r"frame-0\.depth\.png has no valid pixel"):
        scene_of(folder.read(0), folder.camera, 48, 32)
    Image.fromarray(np.zeros((10, 10), np.uint16)).save(depth)
    with pytest.raises(InvalidInput, match="Register depth to colour"):
        folder.read(0)
    depth.write_bytes(folder.pairs[1][1].read_bytes()[:100])
    with pytest.raises(InvalidInput, match=r"frame-0\.depth\.png is not a readable depth picture"):
        folder.read(0)
    colour.unlink()
    with pytest.raises(InvalidInput, match="has no colour picture"):
        open_depth_folder(room)
    depth.unlink()
    (room / "camera-intrinsics.txt").unlink()
    with pytest.raises(InvalidInput, match=r"camera-intrinsics\.txt is missing"):
        open_depth_folder(room)


def test_presets_keep_the_papers_numbers() -> None:
    paper = get_preset("paper")
    assert (paper.codewords, paper.schedule.iterations, paper.hidden) == (40, 100_000, 4096)
    small = with_iterations(get_preset("cpu-small"), 100)
    assert (small.schedule.iterations, small.schedule.drops) == (100, (75,))
    with pytest.raises(InvalidInput, match="Unknown preset 'x'"):
        get_preset("x")
