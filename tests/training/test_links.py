"""Tests of the measures of links: naive loops, and links with known purity and hubs."""

import io
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from tests.training.tiny import TinySource
from training.evaluation.links import draw_links, measure_links
from training.source import PatchRow, PatchTable


def random_links(seed, videos=7, tracks=4, edges=40):
    generator = np.random.default_rng(seed)
    table = PatchTable.build(
        PatchRow(f"{video}{track}{end}", f"v{video}", 0, f"{video}{track}0")
        for video in range(videos)
        for track in range(tracks)
        for end in (0, 1)
    )
    starts = np.flatnonzero(table.track == np.arange(len(table.ids)))
    pairs = np.array(list(combinations(starts, 2)))
    links = pairs[generator.choice(len(pairs), edges, replace=False)]
    return table, links, [["dog", "cat", "", "car"][number] for number in generator.integers(0, 4, videos)]


@pytest.mark.parametrize("seed", range(5))
def test_measures_equal_naive_loops(seed):
    table, links, kinds = random_links(seed)
    found = measure_links(links, table, kinds)
    video = {row: int(table.video[row]) for row in range(len(table.ids))}
    count = {int(row): 0 for row in np.unique(table.track)}
    for a, b in links.tolist():
        count[a] += 1
        count[b] += 1
    degrees = np.array(list(count.values()), float)
    assert found["linked"] == pytest.approx(np.mean([value > 0 for value in degrees]))
    assert found["largest_hub"] == pytest.approx(max(degrees) / len(links))
    third = np.mean([(value - degrees.mean()) ** 3 for value in degrees])
    assert found["degree_skewness"] == pytest.approx(third / degrees.std() ** 3)
    assert found["same_video"] == pytest.approx(np.mean([video[a] == video[b] for a, b in links.tolist()]))
    ends = [row for edge in links.tolist() for row in edge]
    every = list(combinations(ends, 2))
    assert found["same_video_chance"] == pytest.approx(np.mean([video[a] == video[b] for a, b in every]))
    known = [(a, b) for a, b in links.tolist() if kinds[video[a]] and kinds[video[b]]]
    assert found["purity"] == pytest.approx(np.mean([kinds[video[a]] == kinds[video[b]] for a, b in known]))
    partners = [(a, b) for a, b in combinations([row for edge in known for row in edge], 2) if video[a] != video[b]]
    by_chance = np.mean([kinds[video[a]] == kinds[video[b]] for a, b in partners])
    assert found["purity_chance"] == pytest.approx(by_chance)
    each = []
    for kind in sorted({kinds[video[row]] for edge in known for row in edge}):
        touching = [(a, b) for a, b in known if kind in (kinds[video[a]], kinds[video[b]])]
        each.append(np.mean([kinds[video[a]] == kinds[video[b]] for a, b in touching]))
    assert found["purity_balanced"] == pytest.approx(np.mean(each))


def test_a_star_is_a_hub_and_a_ring_has_none():
    table, _, _ = random_links(0, videos=20, tracks=1)
    starts = np.flatnonzero(table.track == np.arange(len(table.ids)))
    star = np.stack([np.full(19, starts[0]), starts[1:]], axis=1)
    ring = np.stack([starts, np.roll(starts, 1)], axis=1)
    assert measure_links(star, table)["largest_hub"] == 1.0
    assert measure_links(star, table)["degree_skewness"] > 3
    assert measure_links(ring, table)["largest_hub"] == pytest.approx(2 / 20)
    assert measure_links(ring, table)["degree_skewness"] == pytest.approx(0, abs=1e-9)


def test_no_links_are_measured_too():
    table, links, kinds = random_links(0)
    assert measure_links(links[:0], table, kinds) == {"tracks": 28.0, "edges": 0.0, "linked": 0.0}


def test_the_contact_sheet_shows_the_linked_patches_side_by_side(tmp_path):
    source = TinySource(videos=2, tracks=2, parents=2)
    assert draw_links(source, tmp_path / "deep/sheet.png") == len(source.links()) == 2
    sheet = np.asarray(Image.open(tmp_path / "deep/sheet.png"))
    assert sheet.shape == (102, 8 * 198, 3)
    a, b = (
        np.asarray(Image.open(io.BytesIO(jpeg)))
        for jpeg in source.patch_jpegs([source.table().ids[row] for row in source.links()[0]])
    )
    assert np.array_equal(sheet[:96, :96], a)
    assert np.array_equal(sheet[:96, 96:192], b)
