"""RuleTable: a table from a node's exact class to the rule that handles it.

A pass owns its table and names no node class; the module that defines a class registers its rules in the passes'
tables. Look-up is by exact class, a second rule for a class is an error, and there is no default rule: a silent
default would be a wrong width in hardware. A gap is stated with its reason, so that errors, documentation and tests
can be made from it.
"""

from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Generic, TypeVar

from bittrue.errors import BittrueError

Rule = TypeVar("Rule", bound=Callable[..., object])


class RuleTable(Generic[Rule]):
    """Rules of one pass, keyed by exact class.

    Parameters: `name`, the pass as errors and tests call it; `gaps_allowed`, whether a class may state that it has no
    rule.
    """

    def __init__(self, name: str, *, gaps_allowed: bool = False) -> None:
        self.name = name
        self.gaps_allowed = gaps_allowed
        self._rules: dict[type, Rule] = {}
        self._gaps: dict[type, str] = {}

    def rule(self, *classes: type) -> Callable[[Rule], Rule]:
        """Register the decorated function for each of `classes`.

        Where it is called `_`, tracebacks and profiles call it by its cell of the table: `lower[ReLU]`.
        """

        def register(function: Rule) -> Rule:
            for cls in classes:
                self._refuse_second(cls)
                self._rules[cls] = function
            if isinstance(function, FunctionType) and function.__name__ == "_":
                _name(function, f"{self.name}[{', '.join(cls.__name__ for cls in classes)}]")
            return function

        return register

    def unsupported(self, cls: type, *, reason: str) -> None:
        """State that `cls` has no rule in this table, and why."""
        if not self.gaps_allowed:
            raise TypeError(f"the table '{self.name}' admits no gap, and {cls.__name__} states one")
        self._refuse_second(cls)
        self._gaps[cls] = reason

    def __getitem__(self, cls: type) -> Rule:
        try:
            return self._rules[cls]
        except KeyError:
            raise BittrueError(self._absence(cls)) from None

    def __contains__(self, cls: type) -> bool:
        return cls in self._rules

    def __iter__(self) -> Iterator[type]:
        return iter(self._rules)

    def gap(self, cls: type) -> str | None:
        """The stated reason why `cls` has no rule, or None where no gap was stated."""
        return self._gaps.get(cls)

    def _absence(self, cls: type) -> str:
        reason = self._gaps.get(cls)
        if reason is not None:
            return f"{cls.__name__} is not supported by '{self.name}': {reason}."
        supported = ", ".join(sorted(known.__name__ for known in self._rules))
        return f"{cls.__name__} has no rule in '{self.name}', which knows {supported}."

    def _refuse_second(self, cls: type) -> None:
        if cls in self._rules or cls in self._gaps:
            raise TypeError(f"{cls.__name__} has a rule or a stated gap in '{self.name}' already")


def _name(function: FunctionType, name: str) -> None:
    function.__name__ = function.__qualname__ = name
    function.__code__ = function.__code__.replace(co_name=name, co_qualname=name)
