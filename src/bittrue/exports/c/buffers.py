"""Where the values between the functions lie: buffers that are shared by values which are never needed at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from bittrue.exports.storage import Storage, storage_of
from bittrue.program import FixedNetwork, Grouping


@dataclass(frozen=True)
class Place:
    """A value in a buffer: which one, how its codes are stored, and how many there are."""

    buffer: int
    storage: Storage
    size: int

    @property
    def member(self) -> str:
        """The buffer's member of that type."""
        return f"{'i' if self.storage.signed else 'u'}{self.storage.bits}"


@dataclass(frozen=True, eq=False)
class Buffers:
    """places: by step, of all values between the network's input and its output. sizes: bytes of each buffer."""

    places: Mapping[str, Place]
    sizes: tuple[int, ...]

    @property
    def members(self) -> tuple[tuple[tuple[str, Storage, int], ...], ...]:
        """For each buffer its members: name, storage, and how many codes it holds at most."""
        found: list[dict[str, tuple[Storage, int]]] = [{} for _ in self.sizes]
        for place in self.places.values():
            before = found[place.buffer].get(place.member, (place.storage, 0))
            found[place.buffer][place.member] = (place.storage, max(before[1], place.size))
        return tuple(tuple((name, *member) for name, member in sorted(each.items())) for each in found)

    @property
    def bytes(self) -> int:
        return sum(self.sizes)


def allocate(program: FixedNetwork, grouping: Grouping) -> Buffers:
    """Buffers for the values of all groups but the last one's, which is the caller's.

    A value lives from the function that makes it to the last one that reads it. It takes the free buffer that grows
    least; the values that need most memory choose first among those that live at the same time only through this order
    of the functions, so the sum is a good one, not the least.
    """
    last_read = grouping.last_read
    sizes: list[int] = []
    free_from: list[int] = []
    places: dict[str, Place] = {}
    for moment, group in enumerate(grouping.groups):
        name = group.last.name
        if name == program.output:
            continue
        storage = storage_of(group.last)
        size = prod(group.last.type.shape)
        needed = size * storage.bits // 8
        free = [buffer for buffer, when in enumerate(free_from) if when < moment]
        if free:
            chosen = min(free, key=lambda buffer: (max(needed - sizes[buffer], 0), sizes[buffer]))
        else:
            chosen = len(sizes)
            sizes.append(0)
            free_from.append(0)
        sizes[chosen] = max(sizes[chosen], needed)
        free_from[chosen] = last_read.get(name, moment)
        places[name] = Place(chosen, storage, size)
    return Buffers(places, tuple(sizes))
