"""The actor that stands for a worker: Ray's side of `engines.worker`.

Its class is made in a function, so that Ray sends its code by value: it must be able to say what a worker has that has
no bittrue, or another one. Arguments that are references stay so inside lists and are fetched here.
"""

from typing import Any

SIGNS = "signs"
"""The group of calls that are answered whatever is being computed."""


def member_class() -> type:
    """The class, before Ray makes an actor of it."""

    class Member:
        def hello(self) -> dict[str, Any]:
            """What there is, without importing anything large."""
            import os
            import platform

            import ray

            found = {"address": ray.util.get_node_ip_address(), "pid": os.getpid()}
            try:
                from bittrue.engines.facts import facts
            except ImportError as error:
                return {**found, "facts": None, "python": platform.python_version(), "why": str(error)}
            return {**found, "facts": vars(facts())}

        def become(self, address: str, threads: int, float_threads: int, folder: str) -> None:
            """Be a worker from now on."""
            from bittrue.engines.worker import Worker

            self.worker = Worker(address, threads, float_threads, folder)

        def begin(self, name: str, study: Any, networks: dict[str, list[Any]]) -> bool | Exception:
            import ray

            from bittrue.errors import BittrueError

            fetches = {key: lambda held=held: ray.get(held[0]) for key, held in networks.items()}
            try:
                return self.worker.begin(name, study, fetches)
            except BittrueError as error:
                return error

        def compute(
            self, name: str, key: str, plan: list[Any], images: tuple[int, int], chunks: dict[int, list[Any]]
        ) -> bytes:
            import ray

            from bittrue.engines.worker import packed_found

            wanted = None
            if plan and not self.worker.has_prepared(name, key):
                wanted = ray.get(plan[0])
            here = {number: ray.get(held[0]) for number, held in chunks.items()}
            return packed_found(self.worker.compute(name, key, wanted, range(*images), here))

        def call(self, function: Any, *arguments: Any) -> Any:
            """Anything else that is asked of a worker."""
            return function(self, *arguments)

        def sign(self) -> bool:
            """A sign of life."""
            return True

    return Member


def remote_member(ray: Any, threads: int) -> Any:
    """Ray's class of actors. Nothing of it is retried or started again by Ray: who dispatches has a better idea of what
    was lost."""
    member = member_class()
    member.sign = ray.method(concurrency_group=SIGNS)(member.sign)  # type: ignore[attr-defined]
    options = {"num_cpus": threads, "max_restarts": 0, "max_task_retries": 0, "concurrency_groups": {SIGNS: 1}}
    return ray.remote(**options)(member)
