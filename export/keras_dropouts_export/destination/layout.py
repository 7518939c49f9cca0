"""Says what has to be known of an artifact's files to replace them without a loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Move(NamedTuple):
    """One rename, or the removal of `final` where `source` is None."""

    source: Path | None
    final: Path


class Layout(Protocol):
    """How something lies on disk; every `Format` says it, and a .keras file.

    suffixes: how its file names end, in small letters, none for a folder; refused_suffixes: how a
    folder's name must not end, since that says that it is a file; title: what it is, in a
    sentence; is_folder: whether it is a folder; argument: what the function that writes it calls
    its path, which errors name.
    """

    @property
    def argument(self) -> str:
        """What the function that writes it calls its path."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How file names end, in small letters; none for a folder."""

    @property
    def refused_suffixes(self) -> tuple[str, ...]:
        """How a folder's name must not end."""

    @property
    def title(self) -> str:
        """What it is, in a sentence: "an .onnx file"."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return every path that it may take, `path` itself first."""

    def recognizes(self, path: Path) -> bool:
        """Return whether what is at `path` is one of this kind."""

    def foreign(self, path: Path) -> tuple[Path, ...]:
        """Return what lies at the paths that it may take, or inside, and is no part of it."""

    def moves(self, made: Path, target: Path) -> Sequence[Move]:
        """Return the renames that put `made` at `target`, after each of which one is whole.

        What they need beside `made` is written to the folder of `made`.
        """
