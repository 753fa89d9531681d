"""Tests of decoding pictures: equal appearance gives equal arrays, and bad pictures give clear errors."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graph.errors import InvalidInput
from training.encoder import Encoder
from training.evaluation.retrieval import labelled_pictures
from training.pictures import LARGEST, picture_to_patch, read_picture

SHARED = Path(__file__).parents[3] / "shared/data/regressions/pictures"


def saved(image, kind="PNG", **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


@pytest.fixture
def grey():
    """Return an 8-bit ramp from black to white."""
    return np.tile(np.linspace(0, 255, 96).astype(np.uint8), (96, 1))


def test_sixteen_bit_grey_looks_as_eight_bit_grey(grey):
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    assert np.array_equal(picture_to_patch("x", saved(deep)), picture_to_patch("x", saved(Image.fromarray(grey))))


def test_transparent_pixels_lie_on_white_whatever_is_below():
    disc = np.hypot(*np.mgrid[-48:48, -48:48]) < 30
    arrays = []
    for hidden in (0, 128, 255):
        pixels = np.full((96, 96, 4), hidden, np.uint8)
        pixels[disc] = (200, 30, 30, 255)
        pixels[~disc, 3] = 0
        for kind in ("PNG", "WEBP"):
            options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
            arrays.append(picture_to_patch("x", saved(Image.fromarray(pixels), kind, **options)))
    assert all(np.array_equal(arrays[0], other) for other in arrays[1:])
    assert (arrays[0][~disc] == 255).all()
    assert (arrays[0][disc] == (200, 30, 30)).all()


def test_half_transparent_is_mixed_with_white():
    pixels = Image.new("RGBA", (96, 96), (0, 0, 0, 128))
    assert np.unique(picture_to_patch("x", saved(pixels))).tolist() == [127]


def test_palettes_with_a_transparent_colour_are_laid_on_white():
    picture = Image.new("P", (96, 96), 1)
    picture.putpalette([10, 20, 30, 40, 50, 60])
    assert (picture_to_patch("x", saved(picture)) == (40, 50, 60)).all()
    assert (picture_to_patch("x", saved(picture, transparency=1)) == 255).all()


def grey_png(levels, bits, transparent):
    """Return a PNG with 2, 4 or 16 bits of grey, one level of which is transparent."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = levels.shape
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in levels]
    else:
        places = np.arange(bits - 1, -1, -1)
        rows = [np.packbits(row[:, None] >> places & 1).tobytes() for row in levels]
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = (b"IHDR", header), (b"tRNS", struct.pack(">H", transparent)), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


@pytest.mark.parametrize("bits", [2, 4, 16])
def test_a_transparent_grey_level_is_laid_on_white_at_every_depth(grey, bits):
    most = 2**bits - 1
    levels = np.round(grey / 255 * most).astype(int)
    transparent = int(levels[0, 40])
    shown = np.where(levels == transparent, 255, np.round(levels * 255 / most)).astype(np.uint8)
    patch = picture_to_patch("x", grey_png(levels, bits, transparent))
    assert np.array_equal(patch, picture_to_patch("x", saved(Image.fromarray(shown))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_format_is_turned_upright(kind):
    colours = np.zeros((40, 80, 3), np.uint8)
    colours[:20, :, 0] = 255  # red above black, as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # upright after a rotation by 90 degrees clockwise, with red on the right
    seen = np.asarray(read_picture("x", saved(Image.fromarray(colours), kind, exif=exif)))
    assert seen.shape == (80, 40, 3)
    assert seen[:, 25:, 0].mean() > 240
    assert seen[:, :15, 0].mean() < 15


def test_cmyk_becomes_rgb():
    red = Image.new("CMYK", (96, 96), (0, 255, 255, 0))
    patch = picture_to_patch("x", saved(red, "JPEG"))
    assert patch[..., 0].min() > 240
    assert patch[..., 1:].max() < 15


def test_the_centre_square_is_kept_and_nothing_is_squashed():
    wide = np.zeros((50, 150, 3), np.uint8)
    wide[:, 50:100] = 255
    assert (picture_to_patch("x", saved(Image.fromarray(wide)))[:, 3:-3] == 255).all()


def test_a_large_jpeg_is_decoded_reduced_and_looks_the_same():
    y, x = np.mgrid[0:1600, 0:2400]
    smooth = np.stack([127 + 120 * np.sin(x / 200), 127 + 120 * np.cos(y / 150), 255 * x / 2400], 2).astype(np.uint8)
    data = saved(Image.fromarray(smooth), "JPEG", quality=95)
    assert min(read_picture("x", data, smallest_side=192).size) == 200  # an eighth
    whole = read_picture("x", data).crop((400, 0, 2000, 1600)).resize((96, 96), Image.Resampling.BILINEAR)
    difference = np.abs(picture_to_patch("x", data).astype(int) - np.asarray(whole))
    assert difference.mean() < 1.5


def test_one_picture_has_one_array_everywhere(tmp_path, grey):
    exif = Image.Exif()
    exif[0x0112] = 3
    picture = Image.fromarray(np.stack([grey, grey.T, 255 - grey], 2)[:, :70])
    data = saved(picture, "JPEG", exif=exif)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").write_bytes(data)
    expected = picture_to_patch("x", data)
    assert np.array_equal(Encoder.decode([data])[0], expected)
    assert np.array_equal(labelled_pictures(tmp_path)[0][1], expected)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused_with_the_accepted_ones(kind):
    with pytest.raises(InvalidInput, match=r"^part 3 .*JPEG, PNG or WebP\.$") as refused:
        picture_to_patch("part 3", saved(Image.new("RGB", (8, 8)), kind))
    assert "BytesIO" not in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
        saved(Image.new("RGB", (99, 99)), "JPEG")[:300],
    ],
)
def test_damaged_pictures_are_named(data):
    with pytest.raises(InvalidInput, match=r"^part 3 is not a readable picture") as refused:
        picture_to_patch("part 3", data)
    assert "BytesIO" not in str(refused.value)


def test_a_picture_that_unfolds_to_too_much_is_refused():
    with pytest.raises(InvalidInput, match="more than 64 million pixels"):
        picture_to_patch("bomb", saved(Image.new("1", (LARGEST // 1000 + 1, 1000))))


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_the_reported_pictures():
    patch = {file.stem: picture_to_patch(file.name, file.read_bytes()) for file in SHARED.glob("*.png")}
    assert np.array_equal(patch["grey16"], patch["grey8"])
    assert np.array_equal(patch["alpha_hiddenblack"], patch["alpha_hiddenwhite"])
    assert (patch["bilevel"] == 255).all()
