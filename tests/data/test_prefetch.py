"""prefetch: same items, same errors, no thread left behind."""

import threading
from collections.abc import Iterator

import pytest

from bittrue.data import prefetch


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("bittrue-prefetch")]


def test_items_arrive_in_order_and_the_thread_ends() -> None:
    assert list(prefetch(iter(range(50)))) == list(range(50))
    assert list(prefetch([])) == []
    assert workers() == []


def test_the_next_item_is_under_way_and_no_more() -> None:
    made: list[int] = []
    second_made, third_made = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        for i in range(5):
            made.append(i)
            if i == 1:
                second_made.set()
            if i == 2:
                third_made.set()
            yield i

    stream = prefetch(items())
    assert next(stream) == 0
    assert second_made.wait(10), "the second item was not begun while the caller holds the first"
    assert not third_made.wait(0.05), "more than one item ahead"
    assert made == [0, 1]
    stream.close()  # type: ignore[attr-defined]


def test_an_error_comes_at_its_item() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("broken disk")

    stream = prefetch(items())
    assert next(stream) == 1
    with pytest.raises(OSError, match="broken disk"):
        next(stream)
    assert workers() == []


def test_an_early_end_closes_the_source_and_the_thread() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.set()

    for item in prefetch(items()):
        if item == 3:
            break
    assert closed.wait(10)
    assert workers() == []
