"""Every class has a rule, or a stated gap, in every table: rows and columns are found by walking the package."""

import importlib
import inspect
import pkgutil
import traceback
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

import bittrue
from bittrue.network import Operator
from bittrue.operators import activation
from bittrue.program import Function, Instruction
from bittrue.rules import RuleTable

BASES = (Operator, Instruction, Function)

WITHOUT_GAPS = {
    Operator: {"shape", "sites", "grouping", "float_value", "output_kind", "lower", "bypass"},
    Instruction: {"definition", "kernel", "proof"},
    Function: {"definition of functions", "function kernel"},
}
"""The tables that exactness rests on."""


def modules() -> list[ModuleType]:
    names = [module.name for module in pkgutil.walk_packages(bittrue.__path__, "bittrue.")]
    return [bittrue, *(importlib.import_module(name) for name in names if not name.endswith("__main__"))]


def rows(base: type) -> set[type]:
    """The classes that derive from `base`, itself left out."""
    return {
        value
        for module in modules()
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    }


def columns(base: type) -> dict[str, RuleTable[Any]]:
    """The tables whose rules are for classes that derive from `base`, by name."""
    found = {
        id(value): value for module in modules() for value in vars(module).values() if isinstance(value, RuleTable)
    }
    return {table.name: table for table in found.values() if all(issubclass(cls, base) for cls in table)}


def missing_cells(base: type) -> list[str]:
    return sorted(
        f"{cls.__name__} has neither a rule nor a stated gap in '{name}'"
        for name, table in columns(base).items()
        for cls in rows(base)
        if cls not in table and table.gap(cls) is None
    )


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.__name__)
def test_no_cell_is_empty(base: type) -> None:
    missing = missing_cells(base)
    print("\n".join(missing))
    assert not missing


def test_rows_and_columns_are_found() -> None:
    for base in BASES:
        assert len(rows(base)) > 2
        assert WITHOUT_GAPS[base] <= set(columns(base))
        assert not any(set(columns(base)) & set(columns(other)) for other in BASES if other is not base)


@pytest.mark.parametrize(("base", "name"), [(base, name) for base in BASES for name in sorted(WITHOUT_GAPS[base])])
def test_the_tables_that_exactness_rests_on_admit_no_gap(base: type, name: str) -> None:
    with pytest.raises(TypeError, match=f"the table '{name}' admits no gap"):
        columns(base)[name].unsupported(base, reason="none")


@dataclass(frozen=True, eq=False)
class Dummy(Operator):
    """An operator without rules."""


def test_a_new_operator_leaves_cells_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation, "Dummy", Dummy, raising=False)
    missing = missing_cells(Operator)
    assert missing == sorted(f"Dummy has neither a rule nor a stated gap in '{name}'" for name in columns(Operator))


def test_a_lost_rule_leaves_a_cell_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    table = columns(Instruction)["kernel"]
    monkeypatch.delitem(table._rules, next(iter(table)))
    assert len(missing_cells(Instruction)) == 1


def test_a_table_keeps_its_promises() -> None:
    table: RuleTable[Any] = RuleTable("this test", gaps_allowed=True)
    table.rule(Dummy)(lambda: None)
    table.unsupported(activation.ReLU, reason="no reason")
    assert table.gap(activation.ReLU) == "no reason"
    with pytest.raises(TypeError, match="a rule or a stated gap in 'this test' already"):
        table.rule(activation.ReLU)(lambda: None)
    with pytest.raises(TypeError, match="already"):
        table.unsupported(Dummy, reason="too late")
    with pytest.raises(bittrue.errors.BittrueError, match="ReLU is not supported by 'this test': no reason"):
        table[activation.ReLU]

    class Derived(Dummy):
        """Look-up is by exact class."""

    with pytest.raises(bittrue.errors.BittrueError, match="Derived has no rule in 'this test', which knows Dummy"):
        table[Derived]


def test_a_rule_that_raises_is_named_in_the_traceback() -> None:
    table: RuleTable[Any] = RuleTable("this test")

    @table.rule(activation.ReLU, activation.Clip)
    def _() -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError) as raised:
        table[activation.Clip]()
    assert "in this test[ReLU, Clip]\n" in "".join(traceback.format_exception(raised.value))
    assert table[activation.Clip].__qualname__ == "this test[ReLU, Clip]"


def test_every_rule_has_a_name() -> None:
    tables = {id(table): table for base in BASES for table in columns(base).values()}
    unnamed = [
        f"{table.name}[{cls.__name__}]" for table in tables.values() for cls in table if table[cls].__name__ == "_"
    ]
    assert not unnamed


def test_a_rule_with_a_name_of_its_own_keeps_it() -> None:
    table: RuleTable[Any] = RuleTable("this test")

    @table.rule(Dummy)
    def identity() -> None:
        """Used by hand, too."""

    assert identity.__name__ == "identity"
