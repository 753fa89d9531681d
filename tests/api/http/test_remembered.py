"""Tests of a value that is read again once it is too old."""

from api.http.remembered import Remembered


def test_a_value_is_read_when_it_is_old_or_forced_and_stays_the_same_object_while_it_is_equal() -> None:
    readings = iter([["a"], ["a"], ["b"], ["c"]])
    remembered: Remembered[list[str]] = Remembered(lambda: next(readings), [])
    assert (remembered.value, remembered.is_fresh) == ([], False)
    assert remembered.refresh()
    first = remembered.value
    assert (first, remembered.is_fresh) == (["a"], True)
    assert not remembered.refresh()
    remembered.expire()
    assert not remembered.refresh()  # read again, and equal
    assert remembered.value is first
    assert remembered.refresh(force=True)
    assert remembered.value == ["b"]
    remembered.expire()
    assert remembered.refresh()
    assert remembered.value == ["c"]
