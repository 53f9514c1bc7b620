"""The site builds without a warning, no link in it is broken, and reading it asks nothing of other machines."""

import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import bittrue
from docs.pages import ROOT

pytest.importorskip("mkdocs")

ASSETS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.places |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in ASSETS and ASSETS[tag] in values and values.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(values[ASSETS[tag]])


def external(address: str) -> bool:
    return urlsplit(address).scheme in ("http", "https") or address.startswith("//")


def build(source: Path, target: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)],
        cwd=source,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The pages of the site, by their place in it."""
    target = tmp_path_factory.mktemp("site") / "site"
    result = build(ROOT, target)
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr
    return {path: Page(path.read_text("utf-8")) for path in sorted(target.rglob("*.html"))}


def test_reading_it_asks_nothing_of_other_machines(site: dict[Path, Page]) -> None:
    for path, page in site.items():
        assert [address for address in page.loads if external(address)] == [], path.name
        text = path.read_text("utf-8")
        assert 'class="mermaid"' not in text  # Material would fetch a script for these
    for path in next(iter(site)).parent.rglob("*.css"):
        text = path.read_text("utf-8")
        assert "url(http" not in text.replace('"', "").replace("'", "")
        assert "@import" not in text


def test_pages_that_are_opened_as_files_can_search(site: dict[Path, Page]) -> None:
    folder = next(path.parent for path in site if path.name == "404.html")
    assert (folder / "search/search_index.js").read_text("utf-8").startswith('var __index = {"config"')
    assert (folder / "worker.js").exists()
    assert all(any(address.endswith("worker.js") for address in page.loads) for page in site.values())


def test_no_link_is_broken(site: dict[Path, Page]) -> None:
    for path, page in site.items():
        if path.name == "404.html":  # its links start at the server's root
            continue
        for address in [*page.links, *page.loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            there = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            assert there.exists(), f"{path.name}: {address}"
            if parts.fragment and there.suffix == ".html":
                assert unquote(parts.fragment) in site[there].places | {"__top"}, f"{path.name}: {address}"


def test_every_public_name_has_its_place_in_the_reference(site: dict[Path, Page]) -> None:
    (reference,) = [page for path, page in site.items() if path.name == "api.html"]
    described = {place.rpartition(".")[2] for place in reference.places}
    missing = [name for name in bittrue.__all__ if name not in described and name not in ("keras", "torch")]
    assert missing == []


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    for name in ("docs", "src", "examples/notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.keras"))
    for name in (
        "mkdocs.yml",
        "mkdocs_hooks.py",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "examples/alexnet_cifar10/README.md",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    with (tmp_path / "docs/house.md").open("a", encoding="utf-8") as page:
        page.write("\n[nowhere](nowhere.md)\n")
    result = build(tmp_path, tmp_path / "site")
    assert result.returncode != 0
    assert "nowhere.md" in result.stderr


def test_the_reader_of_pages_sees_what_would_be_fetched() -> None:
    page = Page('<script src="https://a.example/x.js"></script><img src="//b.example/y.png"><a href="https://c">c</a>')
    assert [address for address in page.loads if external(address)] == ["https://a.example/x.js", "//b.example/y.png"]
