"""What the drafts of all targets know of the steps that they compute."""

from math import prod

from bittrue.program import Step


class StepsInOne:
    """Steps that become one function, or one module: the first reads its inputs, each of the others the one before
    it."""

    steps: tuple[Step, ...]

    @property
    def step(self) -> Step:
        """The first step, which says what is read and in which order."""
        return self.steps[0]

    @property
    def last(self) -> Step:
        """The step whose codes are stored."""
        return self.steps[-1]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the inputs."""
        count = len(self.step.inputs)
        return ("x",) if count == 1 else tuple(f"x{place + 1}" for place in range(count))

    @property
    def size(self) -> int:
        """How many codes an image has in the end."""
        return prod(self.last.type.shape)
