"""A folder that holds an export: whether it does, whether its files are those of its manifest, what may be replaced."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bittrue.errors import BittrueError
from bittrue.exports.job import Target
from bittrue.exports.manifest import NAME, sha256_of
from bittrue.files import read_json


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest of an export, whose files all are what it says.

    Raises: BittrueError for a manifest that is damaged, and for a file that is missing or another one.
    """
    manifest = _manifest(folder)
    for path, digest in manifest["files"].items():
        file = folder / path
        if not file.is_file():
            raise BittrueError(f"{folder / NAME} speaks of {path}, which isn't there: export again.")
        if sha256_of(file) != digest:
            raise BittrueError(
                f"{file} isn't the file whose hash {folder / NAME} has: it was changed, or is another export's; export "
                "again into a new folder."
            )
    return manifest


def require_ours(folder: Path, targets: Iterable[Target]) -> None:
    """Refuse a folder that holds anything but an export as it was written, and what its targets' own builds leave.

    Raises: BittrueError, which names a file that would be lost.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise BittrueError(f"{folder} is no folder: name a new one for the export.")
    if not folder.exists():
        return
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if not there:
        return
    files = _manifest(folder)["files"] if NAME in there else {}
    built = [f"{target.name}/{pattern}" for target in targets for pattern in target.builds]
    known = {NAME, *files} if NAME in there else set()
    foreign = sorted(name for name in there - known if not any(fnmatchcase(name, pattern) for pattern in built))
    if foreign:
        raise BittrueError(
            f"{folder} holds files that no export wrote ({foreign[0]} among them): choose another folder."
        )
    for name in sorted(there & set(files)):
        if sha256_of(folder / name) != files[name]:
            raise BittrueError(
                f"{folder / name} was changed since it was exported, and would be lost: choose another folder, or "
                "delete it."
            )


def _manifest(folder: Path) -> Mapping[str, Any]:
    """Raises: BittrueError where it isn't a manifest."""
    content = read_json(folder / NAME, "manifest")
    if isinstance(content, dict) and isinstance(content.get("files"), dict):
        names = [*content["files"], *content["files"].values(), content.get("plan"), content.get("output")]
        if all(isinstance(name, str) for name in names):
            return content
    raise BittrueError(f"{folder / NAME} is no manifest of an export: it is damaged or another program's.")
