"""The workers of a cluster: as many as it has processors for, each replaced when it dies or gives no sign of life."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from bittrue.engines.facts import Facts, check
from bittrue.engines.member import remote_member
from bittrue.errors import BittrueError
from bittrue.wording import counted

PATIENCE = 30.0
"""Seconds without a sign of life after which a worker is given up. Kernels let other threads run, so that one that is
busy answers; one that doesn't hangs, or its node, or the network."""

BETWEEN_SIGNS = 5.0
BETWEEN_COUNTS = 5.0
"""Seconds between two looks at how many processors the cluster has."""

BETWEEN_NOTES = 30.0
FAILED_STARTS = 5
"""Workers that may die one after another before they have begun."""

MEMORY = "out of memory"
FULL = "the object store and the disk of its node are full"
CAUSES = {
    MEMORY: ("running low on memory", "memory usage threshold", "OutOfMemoryError"),
    "its node left the cluster": ("node has died", "node died", "NODE_DIED", "node is dead"),
    FULL: ("disk is full", "store is full", "OutOfDisk"),
    "no way to it": ("temporarily unavailable", "ActorUnavailableError"),
}
"""What an error of Ray's says of a worker's end, by words in its text, which has no fields for it."""


ADVICE = {
    FULL: "start that node with a larger --object-store-memory, or make room on its disk.",
    MEMORY: "start that node with fewer --num-cpus, so that fewer workers share its memory.",
}
LOOK = "look at the cluster with `bittrue doctor --engine`, and at its logs with --debug."
"""What helps where workers end before they have begun, by the cause, and where it isn't known."""


@dataclass(eq=False)
class Member:
    """A worker as it is seen from here. name: unique; address: of its machine, and its process there, once it has
    said so."""

    name: str
    handle: Any
    starting: Any
    address: str = "an address that it didn't say"
    process: int = 0
    ready: bool = False
    dead: str | None = None
    sign: Any = None
    asked: float = 0.0
    heard: float = 0.0
    studies: dict[str, bool] = field(default_factory=dict)
    """By the names of the studies that it knows, whether their data lie there."""


@dataclass(eq=False)
class Workers:
    """ray: the module. threads: of each worker. tell: called with what the person in front should know."""

    ray: Any
    threads: int
    tell: Callable[[str], None] = lambda event: None
    patience: float = PATIENCE
    members: dict[str, Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._class = remote_member(self.ray, self.threads)
        self._made = self._failed_starts = 0
        self._alone_since = time.monotonic()
        self._counted = -BETWEEN_COUNTS

    def ready(self) -> list[Member]:
        """Those that take work."""
        return [member for member in self.members.values() if member.ready]

    def references(self) -> list[Any]:
        """What to wait for that concerns workers and not what they compute."""
        return [
            reference
            for member in self.members.values()
            for reference in (member.starting, member.sign)
            if reference is not None
        ]

    def tend(self) -> None:
        """Start, greet, ask for signs of life, bury."""
        now = time.monotonic()
        self._start(now)
        if self.ready():
            self._alone_since = now
        elif now - self._alone_since > BETWEEN_NOTES:
            self._alone_since = now
            self.tell(
                f"No worker has begun in {BETWEEN_NOTES:.0f} s: the cluster's processors are busy, or start slowly."
            )
        references = self.references()
        arrived = set(self.ray.wait(references, num_returns=len(references), timeout=0)[0]) if references else set()
        for member in list(self.members.values()):
            if member.starting in arrived:
                self._greet(member)
            elif member.sign in arrived:
                self._heard(member, now)
            if member.ready and member.sign is None and now - member.heard > BETWEEN_SIGNS:
                member.sign, member.asked = member.handle.sign.remote(), now
            elif member.sign is not None and now - member.asked > self.patience:
                self.bury(member, f"no sign of life for {self.patience:.0f} s")

    def bury(self, member: Member, why: str) -> None:
        """Have no more to do with a worker; what it was computing is lost."""
        if member.dead is not None:
            return
        member.dead, member.ready = why, False
        del self.members[member.name]
        self.ray.kill(member.handle, no_restart=True)
        self._counted = -BETWEEN_COUNTS  # another one at once
        self.tell(f"The worker {member.name} at {member.address} ended ({why}); what it was computing goes to another.")

    def bury_unbegun(self, member: Member, why: str, error: Exception) -> None:
        """Bury a worker that ended before it had a study; where one after another does, there is no use in more.

        Raises: BittrueError for the last of FAILED_STARTS in a row.
        """
        self._failed_starts += 1
        self.bury(member, why)
        if self._failed_starts >= FAILED_STARTS:
            raise BittrueError(
                f"Workers end before they have begun, the last at {member.address} ({why}): {ADVICE.get(why, LOOK)}"
            ) from error

    def has_begun(self) -> None:
        """A worker has a study."""
        self._failed_starts = 0

    def close(self) -> None:
        """End all of them."""
        for member in self.members.values():
            self.ray.kill(member.handle, no_restart=True)
        self.members.clear()

    def cause(self, error: Exception) -> str:
        """Why a worker ended, in a few words."""
        text = str(error)
        return next(
            (cause for cause, marks in CAUSES.items() if any(mark in text for mark in marks)),
            "it was killed, or crashed",
        )

    def _start(self, now: float) -> None:
        if now - self._counted < BETWEEN_COUNTS:
            return
        self._counted = now
        most = int(self.ray.cluster_resources().get("CPU", 0)) // self.threads
        if most < 1:
            raise BittrueError(
                f"The cluster has no processor for a worker of {counted(self.threads, 'thread')}: start a node with "
                "--num-cpus, or give fewer --threads."
            )
        while len(self.members) < most:
            self._made += 1
            handle = self._class.remote()
            name = str(self._made)
            self.members[name] = Member(name, handle, handle.hello.remote())

    def _greet(self, member: Member) -> None:
        """What is to be said to a worker that has started: that it is one, once it is seen to be of the same kind."""
        try:
            said = self.ray.get(member.starting)
        except self.ray.exceptions.RayError as error:
            member.starting = None
            self.bury_unbegun(member, self.cause(error), error)
            return
        if said is None:
            member.starting, member.ready, member.heard = None, True, time.monotonic()
            return
        member.address, member.process = said["address"], said["pid"]
        if said["facts"] is None:
            raise BittrueError(
                f"The worker at {said['address']} has no bittrue that can be imported ({said['why']}): install the one "
                "of this machine there, for the Python that runs Ray."
            )
        check(Facts(**said["facts"]), said["address"])
        member.starting = member.handle.become.remote(
            said["address"], self.threads, torch.get_num_threads(), os.getcwd()
        )

    def _heard(self, member: Member, now: float) -> None:
        try:
            self.ray.get(member.sign)
            member.heard = now
        except self.ray.exceptions.RayError as error:
            self.bury(member, self.cause(error))
        member.sign = None
