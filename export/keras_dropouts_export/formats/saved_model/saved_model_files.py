"""Tells the files of a SavedModel from others that somebody put into its folder."""

from __future__ import annotations

import re
from pathlib import Path

from keras_dropouts_export.formats.saved_model.saved_model_audit import load_definition

_OWN = re.compile(
    r"saved_model\.pb|fingerprint\.pb|keras_metadata\.pb"
    r"|variables/variables\.(index|data-\d{5}-of-\d{5})"
)
_FOLDERS = ("variables", "assets")


def foreign(path: Path) -> tuple[Path, ...]:
    """Return the files and links in a folder that no SavedModel is made of, also empty folders."""
    found = sorted(path.rglob("*"))
    own = [each for each in found if _is_own(each, path)]
    assets = [each for each in found if each.parent == path / "assets"]
    if assets:
        named = _assets(path)
        own += [each for each in assets if each.name in named and _is_plain_file(each)]
    return tuple(each for each in found if each not in own)


def _is_own(each: Path, path: Path) -> bool:
    name = each.relative_to(path).as_posix()
    if each.is_dir() and not each.is_symlink():
        return name in _FOLDERS
    return bool(_OWN.fullmatch(name)) and _is_plain_file(each)


def _is_plain_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _assets(path: Path) -> set[str]:
    """Return the names of the files in `assets` that the SavedModel itself names."""
    try:
        graphs = load_definition(path).meta_graphs
    except ValueError:  # of a damaged one: then nothing in the folder is known to be its own
        return set()
    return {each.filename for graph in graphs for each in graph.asset_file_def}
