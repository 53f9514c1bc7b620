"""Pages of the site that are made from elsewhere in the repository, and links between the two.

Made here: the reference of the Python API (from the public names), the notebooks (with the outputs that they hold), the
study's page, the list of decisions, and the changelog. A link in a page to a file that the site has, wherever the page
lies in the repository, leads to that page; one to a file that the site doesn't have becomes the file's name.
"""

import ast
import json
import posixpath
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent
NOTEBOOKS = "examples/notebooks"
ORIGINS = {
    "study.md": "examples/alexnet_cifar10/README.md",
    "changes.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
"""Pages whose text is another file of the repository."""

GROUPS = (
    ("Networks and data", ("frontends", "network", "data", "errors")),
    ("Formats and plans", ("fixed", "plan", "lowering", "program")),
    ("Measuring, simulating, verifying", ("analysis", "reports")),
)
"""The API's sections, and the packages whose public names stand in them; all others follow."""

API_HEAD = """# Python

`import bittrue as bt` is light: a name is imported at its first use. Every result shows itself in a notebook and in a
terminal, becomes a pandas data frame with `to_frame()` (without pandas a list of dicts), and is kept with `save(path)`
and read again with `load(path)`, in the same JSON as the commands write.
"""

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the list of decisions, leave out pages that are not there, and add those that are not listed."""
    config.nav = list(_filled(config.nav or []))
    listed = json.dumps(config.nav)
    unlisted = [path.name for path in sorted((ROOT / "docs").glob("*.md")) if f'"{path.name}"' not in listed]
    if unlisted:
        config.nav.append({"More": unlisted})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that lie elsewhere in the repository, or nowhere."""
    made = {"api.md": api_page(), "decisions/index.md": decisions_page()}
    made |= {page: (ROOT / origin).read_text("utf-8") for page, origin in ORIGINS.items()}
    made |= {notebook_page(path): render_notebook(path) for path in notebooks()}
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    study = ROOT / ORIGINS["study.md"]
    for picture in sorted(study.parent.glob("results/*/*.png")):
        name = picture.relative_to(study.parent).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to where its neighbours in the repository went."""
    here = page.file.src_uri
    folder = posixpath.dirname(origin_of(here))

    def led(link: re.Match[str]) -> str:
        target = link["target"]
        if "://" in target or target.startswith(("/", "mailto:")):
            return link[0]
        there = posixpath.normpath(posixpath.join(folder, target))
        page_there = page_of(there)
        if files.get_file_from_path(page_there) is not None:
            relative = posixpath.relpath(page_there, posixpath.dirname(here) or ".")
            return f"[{link['text']}]({relative}{link['anchor'] or ''})"
        if (ROOT / there).exists():
            return link["text"]
        return link[0]

    return _LINK.sub(led, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Put the search's index into a script, too, which is what pages that are opened as files can load."""
    folder = Path(config.site_dir) / "search"
    index = (folder / "search_index.json").read_text("utf-8")
    (folder / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")


def origin_of(page: str) -> str:
    """Where in the repository the text of a page lies."""
    if page.startswith("notebooks/"):
        return f"{NOTEBOOKS}/{Path(page).stem}.ipynb"
    return ORIGINS.get(page, f"docs/{page}")


def page_of(path: str) -> str:
    """The page that a file of the repository became, if it became one."""
    pages = {origin: page for page, origin in ORIGINS.items()}
    if path in pages:
        return pages[path]
    if path == "docs/decisions":
        return "decisions/index.md"
    if path == "README.md":
        return "index.md"
    if path.startswith(f"{NOTEBOOKS}/") and path.endswith(".ipynb"):
        return f"notebooks/{Path(path).stem}.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else path


def notebooks() -> list[Path]:
    """The example notebooks, in the order of their names."""
    return sorted((ROOT / NOTEBOOKS).glob("*.ipynb"))


def notebook_page(path: Path) -> str:
    return f"notebooks/{path.stem}.md"


def render_notebook(path: Path) -> str:
    """A notebook as Markdown: its text, its code, and the outputs that it holds."""
    parts = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            parts.append(f"```python\n{source}\n```")
            parts += [_output(output) for output in cell["outputs"]]
    return "\n\n".join(parts) + "\n"


def api_page() -> str:
    """Every public name, by section."""
    homes = public_names()
    placed = {name: _section(home) for name, home in homes.items()}
    lines = [API_HEAD]
    for title in (*(title for title, _ in GROUPS), "In Keras and PyTorch models"):
        names = [name for name, section in placed.items() if section == title]
        if names:
            lines.append(f"## {title}\n")
            lines += [f"::: bittrue.{name}\n" for name in sorted(names, key=lambda name: (name[0].isupper(), name))]
    lines += ["## What every result can do\n", "::: bittrue.result.Result\n", "::: bittrue.result.SavedResult\n"]
    return "\n".join(lines)


def public_names() -> dict[str, str]:
    """Each name of `bittrue.__all__` with where it is defined; of a public module the names in its own `__all__`."""
    tree = ast.parse((ROOT / "src/bittrue/__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    homes = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            if node.module == "bittrue":
                module = ROOT / f"src/bittrue/{alias.name}.py"
                for name in _all(ast.parse(module.read_text("utf-8"))):
                    homes[f"{alias.name}.{name}"] = f"bittrue.{alias.name}.{name}"
            else:
                homes[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return homes


def decisions_page() -> str:
    """The list of decisions, by their titles."""
    lines = ["# Decisions\n", "What was chosen where the rules leave something open, and why.\n"]
    for path in _decisions():
        title, _, status = path.read_text("utf-8").splitlines()[:3]
        lines.append(f"- [{title.removeprefix('# ')}]({path.name}) ({status.removeprefix('Status: ').rstrip('.')})")
    return "\n".join(lines) + "\n"


def _filled(nav: list[Any]) -> Iterator[Any]:
    pages = {"api.md", *ORIGINS, *map(notebook_page, notebooks())}
    for entry in nav:
        title, target = next(iter(entry.items())) if isinstance(entry, dict) else (None, entry)
        if target == "DECISIONS":
            yield {title: ["decisions/index.md", *(f"decisions/{path.name}" for path in _decisions())]}
        elif isinstance(target, list):
            yield {title: list(_filled(target))}
        elif target in pages or (ROOT / "docs" / target).exists():
            yield entry


def _decisions() -> list[Path]:
    return sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))


def _section(home: str) -> str:
    package = home.split(".")[1]
    return next((title for title, packages in GROUPS if package in packages), "In Keras and PyTorch models")


def _all(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            names: list[str] = ast.literal_eval(node.value)
            return names
    return []


def _output(output: dict[str, Any]) -> str:
    """An output as it is shown: HTML as it stands, or a picture, or else text."""
    if output["output_type"] == "stream":
        return _text("".join(output["text"]))
    if output["output_type"] == "error":
        return _text("\n".join(output["traceback"]))
    data = output["data"]
    if "text/html" in data:
        return f'<div class="output">{"".join(data["text/html"])}</div>'
    if "image/png" in data:
        return f'<img class="output" alt="" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
    return _text("".join(data["text/plain"]))


def _text(text: str) -> str:
    return f'<div class="output"><pre>{escape(text)}</pre></div>'
