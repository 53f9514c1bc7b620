"""The next batch is prepared in a thread while the caller computes on this one."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """Yield `items` in order, each prepared one step ahead in one background thread.

    An exception of `items` is raised here, at the item that it belongs to. A caller who stops early leaves no thread
    behind: closing the generator waits for the item under way.
    """
    from concurrent.futures import ThreadPoolExecutor

    iterator = iter(items)
    end = object()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="bittrue-prefetch") as pool:
        pending = pool.submit(next, iterator, end)
        while (item := pending.result()) is not end:
            pending = pool.submit(next, iterator, end)
            yield item  # type: ignore[misc]  # not `end`, so an Item
