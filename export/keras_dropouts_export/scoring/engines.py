"""The engines that ranges of rows can be scored on, each imported when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from keras_dropouts.arguments import check_choice
from keras_dropouts_export import requirements
from keras_dropouts_export.errors import ScoringError, said_by
from keras_dropouts_export.scoring.parts import PartTask, Span


@dataclass(frozen=True)
class Engine:
    """An engine: its name, the module here that starts it, and the package that it needs."""

    name: str
    module: str | None
    package: str | None

    @property
    def has_workers(self) -> bool:
        """Whether it starts processes of its own."""
        return self.module is not None

    def run(self, task: PartTask, spans: Sequence[Span], workers: int) -> None:
        """Score ranges of rows; what became of each is noted beside its part.

        Raises:
            ScoringError: if the engine itself fails.
        """
        if self.module is None:
            all(task(span) for span in spans)  # it stops at the first one that has no part
            return
        try:
            import_module(f"keras_dropouts_export.scoring.{self.module}").run(task, spans, workers)
        except Exception as error:  # each engine has classes of errors of its own
            raise ScoringError(f"The engine {self.name!r} failed: {said_by(error)}") from error


_TABLE = (
    Engine("local", None, None),
    Engine("ray", "with_ray", "ray"),
    Engine("spark", "with_spark", "pyspark"),
    Engine("beam", "with_beam", "apache_beam"),
)
NAMES = tuple(each.name for each in _TABLE)


def named(name: str) -> Engine:
    """Return an engine whose package is installed.

    Raises:
        ValueError: if there is no such engine.
        ModuleNotFoundError: if its package is missing, naming what to install.
    """
    check_choice(name, "engine", NAMES)
    (found,) = (each for each in _TABLE if each.name == name)
    if found.package is not None:
        requirements.check(f"The engine {name!r} needs", (found.package,), f"score,{name}")
    return found
