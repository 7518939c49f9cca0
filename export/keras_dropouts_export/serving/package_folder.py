"""Says how a package lies on disk, so that it is placed whole and nothing else is taken away."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_dropouts_export.destination import Move
from keras_dropouts_export.formats import taken_suffixes

REPORT = "keras_dropouts_package.json"  # in each package, with the list of its files


@dataclass(frozen=True)
class PackageFolder:
    """A folder that `package` writes, as `destination.Layout` asks for it."""

    suffixes: tuple[str, ...] = ()
    title: str = "a folder that `package` wrote"
    is_folder: bool = True
    argument: str = "out"
    refused_suffixes: tuple[str, ...] = taken_suffixes()

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return every path that it may take."""
        return (path,)

    def recognizes(self, path: Path) -> bool:
        """Return whether what is at `path` is one."""
        return (path / REPORT).is_file()

    def foreign(self, path: Path) -> tuple[Path, ...]:
        """Return the files inside that are not in its list."""
        if not self.recognizes(path):
            return ()
        try:
            own = {path / each for each in json.loads((path / REPORT).read_text())["files"]}
        except (KeyError, TypeError, ValueError, OSError):
            own = set()
        return tuple(sorted(set(files_in(path)) - own - {path / REPORT}))

    def moves(self, made: Path, target: Path) -> Sequence[Move]:
        """Return the one rename that puts it in place."""
        return [Move(made, target)]


def files_in(folder: Path) -> list[Path]:
    """Return every file in a folder, also in those inside, and what is neither file nor folder."""
    return sorted(
        Path(top) / name
        for top, folders, names in os.walk(folder)
        for name in (*names, *(each for each in folders if (Path(top) / each).is_symlink()))
    )
