"""CONTRIBUTING.md and docs/house.md name what is there: files, names, and for each example all its files."""

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from docs.pages import ROOT

SOURCE = ROOT / "src/bittrue"
CONTRIBUTING, HOUSE = ROOT / "CONTRIBUTING.md", ROOT / "docs/house.md"

RECIPES = (
    "operator", "function of one code", "ONNX operator", "Keras layer", "instruction", "rounding mode",
    "way to compute a sum of products", "vector unit of the compiled kernels",
    "cost", "metric", "question about a network on images", "executor or engine", "word-length search",
    "result", "chart",
    "data source", "door for models", "export target", "quantizer option", "option that all commands take", "command",
)  # fmt: skip

_DATE = r"20\d\d-\d\d-\d\d"
_PATH = re.compile(r"(\()?`([\w./-]+(?:/|\.(?:py|md|txt|toml|html)))`")
_NAME_IN = re.compile(r"`(\w+)`(?: or `(\w+)`)? in `([\w/]+\.py)`")
_EXAMPLE = re.compile(r"^(?:.*\. )?As `(\w+)`\.", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """A section of CONTRIBUTING.md: its example, if it has one, and the paths of its points, those of *If* apart."""

    title: str
    example: str | None
    always: frozenset[str]
    perhaps: frozenset[str]


def recipes(text: str) -> list[Recipe]:
    found = []
    for part in re.split(r"^### A new ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        body = body.split("\n## ")[0]
        points = re.findall(r"^- (.*(?:\n  .*)*)", body, re.MULTILINE)
        example = _EXAMPLE.search(body)
        always, perhaps = (
            frozenset(path for point in points if point.startswith("If ") is optional for path in paths(point))
            for optional in (False, True)
        )
        found.append(Recipe(title, None if example is None else example[1], always, perhaps))
    return found


def paths(text: str) -> list[str]:
    """The paths that the text names, without those in parentheses, which are places kept for later."""
    return [path for kept, path in _PATH.findall(text) if not kept]


def place(path: str) -> Path | None:
    return next((root / path for root in (SOURCE, ROOT) if (root / path).exists()), None)


def missing_paths(text: str) -> list[str]:
    return [path for path in paths(text) if place(path) is None]


def missing_names(text: str) -> list[str]:
    return [
        f"{name} in {path}"
        for *names, path in _NAME_IN.findall(text)
        for name in filter(None, names)
        if name not in defined(place(path))
    ]


def defined(path: Path | None) -> set[str]:
    """What stands at the top of a module."""
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body if path else ():
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def holds(path: Path, word: str) -> bool:
    return re.search(rf"\b{word}\b", path.read_text("utf-8")) is not None


def faults(recipe: Recipe) -> list[str]:
    """Files of the example that the recipe leaves out, and files that it names without need."""
    example = recipe.example
    if example is None:
        return []
    files = [path for path in SOURCE.rglob("*") if path.suffix in (".py", ".html")]
    there = {path.relative_to(SOURCE).as_posix() for path in files if holds(path, example)}
    left_out = sorted(there - recipe.always - recipe.perhaps)
    needless = [path for path in sorted(recipe.always) if not holds(place(path) or ROOT / path, example)]
    return [f"{example} is also in {path}" for path in left_out] + [f"{path} needs no {example}" for path in needless]


@pytest.mark.parametrize("page", [CONTRIBUTING, HOUSE], ids=lambda page: page.name)
def test_what_the_pages_name_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    assert missing_paths(text) == []
    assert missing_names(text) == []


def test_there_is_a_recipe_for_each_kind_of_change() -> None:
    assert [recipe.title for recipe in recipes(CONTRIBUTING.read_text("utf-8"))] == list(RECIPES)


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_lists_the_files_of_its_example(title: str) -> None:
    (recipe,) = [recipe for recipe in recipes(CONTRIBUTING.read_text("utf-8")) if recipe.title == title]
    assert faults(recipe) == []


def test_the_house_has_every_package_and_every_kept_place() -> None:
    text = HOUSE.read_text("utf-8")
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    layers = {name for layer in contract["layers"] for name in re.findall(r"\(?\w+\)?", layer)}
    kept = {name.strip("()") for name in layers if name.startswith("(")} - packages
    rooms, places = (set(re.findall(r"`(\w+)`", part)) for part in text.split("## Places that are kept"))
    assert packages <= rooms | places
    assert kept <= places


def test_the_pages_do_not_say_the_same_twice() -> None:
    house, contributing = (
        {line for line in page.read_text("utf-8").splitlines() if len(line) > 40} for page in (HOUSE, CONTRIBUTING)
    )
    assert house & contributing == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda page: page.name)
def test_a_decision_says_whether_and_since_when_it_holds(page: Path) -> None:
    title, empty, status = page.read_text("utf-8").splitlines()[:3]
    assert title.startswith("# ")
    assert empty == ""
    assert re.fullmatch(
        rf"Status: (accepted|proposed|superseded by \d{{4}}), {_DATE}(; last changed {_DATE})?\.", status
    )


def test_a_wrong_page_is_noticed() -> None:
    """The canary of all of it."""
    assert missing_paths("`operators/nowhere.py` and (`later/`)") == ["operators/nowhere.py"]
    assert missing_names("`RuleTable` or `Nothing` in `rules.py`") == ["Nothing in rules.py"]
    (recipe,) = recipes("### A new door\n\nAs `from_saved_model`.\n\n- `files.py`: x\n- If y: `frontends/doors.py`\n")
    left_out = "from_saved_model is also in frontends/tensorflow/saved_model.py"
    assert faults(recipe) == [left_out, "files.py needs no from_saved_model"]
