"""Detection of lost H.264 reference pictures by gaps in `frame_num`.

FFmpeg replaces a lost reference picture with a copy of another one, and flags nothing. But every slice carries the
number of its picture, counted in reference pictures and decoding order (ITU-T H.264, 7.4.3), so a gap shows the loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_SLICES = (1, 2, 5)  # nal_unit_type: non-IDR slice, data partition A, IDR slice
_IDR, _SEQUENCE, _PICTURE = 5, 7, 8
_HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
_HEADER = 64  # bytes of a slice that are enough for the fields read here
_START = b"\0\0\1"


@dataclass(frozen=True, slots=True)
class _Sequence:
    """The fields of a sequence parameter set that `frame_num` depends on."""

    bits: int  # of frame_num
    planes: bool  # separate_colour_plane_flag
    gaps: bool  # gaps are allowed: the encoder or a server left out pictures that nothing refers to


class FrameNumbers:
    """Follows the `frame_num` of one stream's packets in decoding order."""

    def __init__(self, extradata: bytes | None) -> None:
        """Start with a decoder's `extradata`: an avcC box, parameter sets with start codes, or nothing."""
        self._sequences: dict[int, _Sequence] = {}
        self._pictures: dict[int, int] = {}  # id of the sequence parameter set by the id of the picture's
        self._last: int | None = None  # frame_num of the last reference picture
        self._length = 0  # bytes of the length before each NAL unit; 0: start codes
        data = extradata or b""
        if data[:1] == b"\1" and len(data) > 6:
            self._length = (data[4] & 3) + 1
            for unit in _of_avcc(data):
                self._read_parameters(unit)
        else:
            for unit in _by_start_code(data):
                self._read_parameters(unit)

    def misses(self, packet: bytes) -> bool:
        """Return whether a reference picture was lost before this packet; False for a key frame."""
        lost = False
        units = _by_length(packet, self._length) if self._length else _by_start_code(packet)
        for unit in units:
            if not unit:
                continue
            kind = unit[0] & 31
            if kind in (_SEQUENCE, _PICTURE):
                self._read_parameters(unit)
            elif kind in _SLICES:
                lost |= self._read_slice(unit)
        return lost

    def _read_parameters(self, unit: bytes) -> None:
        try:
            bits = _Bits(unit)
            if unit[0] & 31 == _SEQUENCE:
                identifier, sequence = _sequence(bits)
                self._sequences[identifier] = sequence
            elif unit[0] & 31 == _PICTURE:
                self._pictures[bits.golomb()] = bits.golomb()
        except IndexError:  # a damaged parameter set
            return

    def _read_slice(self, unit: bytes) -> bool:
        try:
            bits = _Bits(unit[:_HEADER])
            bits.golomb()  # first_mb_in_slice
            bits.golomb()  # slice_type
            sequence = self._sequences[self._pictures[bits.golomb()]]
            if sequence.planes:
                bits.take(2)
            number = bits.take(sequence.bits)
        except (IndexError, KeyError):  # damaged
            return False
        if unit[0] & 31 == _IDR:
            self._last = 0
            return False
        last = self._last
        following = None if last is None else (last + 1) % (1 << sequence.bits)
        if unit[0] >> 5 & 3:  # nal_ref_idc: other pictures refer to this one
            self._last = number
        return last is not None and not sequence.gaps and number not in (last, following)


class _Bits:
    """Reader of a NAL unit's bits behind its first byte; raises `IndexError` at the end."""

    def __init__(self, unit: bytes) -> None:
        payload = unit[1:].replace(b"\0\0\3", b"\0\0")  # without emulation prevention
        self._value, self._left = int.from_bytes(payload, "big"), 8 * len(payload)

    def take(self, count: int) -> int:
        """Read an unsigned number of `count` bits."""
        if count > self._left:
            raise IndexError("the NAL unit ends")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        """Read an unsigned Exp-Golomb number, ue(v)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """Read a signed Exp-Golomb number, se(v)."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def _sequence(bits: _Bits) -> tuple[int, _Sequence]:
    """Read a sequence parameter set up to `gaps_in_frame_num_value_allowed_flag` (7.3.2.1.1)."""
    profile = bits.take(24) >> 16
    identifier, planes = bits.golomb(), False
    if profile in _HIGH_PROFILES:
        chroma = bits.golomb()
        planes = chroma == 3 and bool(bits.take(1))
        bits.golomb()  # bit depths
        bits.golomb()
        bits.take(1)
        if bits.take(1):
            for place in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if place < 6 else 64)
    width = bits.golomb() + 4
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.golomb()):
            bits.signed()
    bits.golomb()  # max_num_ref_frames
    return identifier, _Sequence(width, planes, bool(bits.take(1)))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _of_avcc(data: bytes) -> Iterator[bytes]:
    """Yield the parameter sets of an avcC box (ISO/IEC 14496-15)."""
    at = 5
    for mask in (31, 255):  # sequence, then picture parameter sets
        count, at = data[at : at + 1], at + 1
        for _ in range(count[0] & mask if count else 0):
            size = int.from_bytes(data[at : at + 2], "big")
            yield data[at + 2 : at + 2 + size]
            at += 2 + size


def _by_length(packet: bytes, length: int) -> Iterator[bytes]:
    at = 0
    while at + length < len(packet):
        size = int.from_bytes(packet[at : at + length], "big")
        yield packet[at + length : at + length + size]
        at += length + size


def _by_start_code(packet: bytes) -> Iterator[bytes]:
    yield from packet.split(_START)[1:]
