"""Defines the class that every format of artifacts derives from, and what it has to answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.destination.layout import Move
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.finding import Findings, RuntimeFinding
from keras_dropouts_export.options import MonteCarlo
from keras_dropouts_export.tracing.inference_function import InferenceFunction

if TYPE_CHECKING:
    from keras_dropouts_export.formats.interface import Interface

Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], Arrays]  # from inputs by name to outputs by name


@dataclass(frozen=True)
class Exported:
    """The traced functions of one export.

    plain: the model at inference; sampled: the same with Monte-Carlo dropout, and sampling: how
    it samples, both None where the artifact holds no dropout; labels: the names of the classes
    along the last axis of outputs, by the name of the output; self_test: what the artifact is to
    answer to which inputs, as JSON text.
    """

    plain: InferenceFunction
    sampled: InferenceFunction | None = None
    sampling: MonteCarlo | None = None
    labels: dict[str, list[str]] = field(default_factory=dict)
    self_test: str | None = None

    @property
    def served(self) -> InferenceFunction:
        """The function that the artifact is asked for: with samples, where it has them."""
        return self.plain if self.sampled is None else self.sampled


class Format(ABC):
    """One format of artifacts. An object holds the options of one export (frozen dataclasses).

    name: what `ExportReport.format` says; suffixes: how file names end, in small letters, or
    none for a folder of any name; title: what it is, in a sentence: "an .onnx file".
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    title: ClassVar[str]
    is_folder: ClassVar[bool] = False
    argument: ClassVar[str] = "path"  # what the functions that write it call its path
    refused_suffixes: ClassVar[tuple[str, ...]] = ()  # of a folder, as they say that it is a file
    # Whether an artifact with Monte-Carlo dropout holds the function without it, too.
    keeps_plain_function: ClassVar[bool] = False
    carries_self_test: ClassVar[bool] = False

    def describe(self) -> str:
        """Return what a report calls the artifact: "ONNX, opset 18"."""
        return self.name

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return every path that an artifact at `path` may take, `path` itself first."""
        return (path,)

    @abstractmethod
    def recognizes(self, path: Path) -> bool:
        """Return whether what is at `path` is an artifact of this format."""

    def foreign(self, path: Path) -> tuple[Path, ...]:
        """Return what lies at the paths of an artifact at `path`, or inside, and is no part of it.

        Whoever replaces the artifact would take it away.
        """
        return ()

    def moves(self, made: Path, target: Path) -> Sequence[Move]:
        """Return the renames that put `made` at `target`, after each of which one is whole.

        Files that they need beside `made` are written to its folder.
        """
        return [Move(made, target)]

    def check_sampling(self, sampling: MonteCarlo) -> None:
        """Raise a clear error if the format cannot hold Monte-Carlo dropout of this kind."""
        if sampling.rng != "philox":
            raise invalid("rng", f"'philox' for {self.title}, the one it has", sampling.rng)

    def check_function(self, function: InferenceFunction) -> None:
        """Raise a clear error if the format cannot hold the inputs of a function.

        Raises:
            ExportError: if it takes strings, which only a SavedModel has.
        """
        strings = [each.name for each in function.inputs if each.dtype == "string"]
        if strings:
            raise ExportError(
                f"Model {function.name!r} takes strings ({', '.join(strings)}), and {self.title} "
                f"holds no table that turns them into numbers. Turn them into numbers before the "
                f"model (StringLookup, TextVectorization, Hashing) and export the model that takes "
                f"the numbers, or export this one with `export_saved_model`."
            )

    @abstractmethod
    def write(self, exported: Exported, path: Path) -> InferenceFunction:
        """Write the artifact to `path`, and return the served function in the form it has there.

        Raises:
            ExportError: naming what the format cannot hold.
        """

    def allowed_operations(self, sampling: MonteCarlo | None) -> tuple[str, ...]:
        """Return the types of random operations that belong in such an artifact."""
        return ()

    @property
    def lowered_to(self) -> str | None:
        """What an artifact is made of once it is proven equal: "float16" or "int8"; None: as is."""
        return None

    def lower(self, path: Path, batches: Iterator[Arrays] | None) -> None:
        """Make the artifact at `path` less precise, as `lowered_to` says.

        batches: inputs by name that tell which numbers occur, None where there are none.

        Raises:
            ExportError: if it cannot be done.
        """
        raise NotImplementedError

    def drawn_in(self, path: Path, inputs: Arrays) -> Arrays:
        """Return the numbers that an artifact draws, before anything is computed of them."""
        return {}

    def put_self_test(self, path: Path, text: str) -> None:
        """Write another self-test into an artifact that carries one."""
        raise NotImplementedError

    @abstractmethod
    def findings(self, path: Path) -> Findings:
        """Return what an artifact holds that must not be served.

        Raises:
            ValueError: if the artifact cannot be read.
        """

    def runtime_findings(self, path: Path, runtime: str) -> tuple[RuntimeFinding, ...]:
        """Return what a runtime is known to refuse of an artifact, or to compute wrongly.

        Raises:
            ValueError: if nothing is known of such a runtime, or the artifact cannot be read.
        """
        raise invalid(
            "runtime", f"None for {self.title}: limits are known for runtimes of ONNX", runtime
        )

    @abstractmethod
    def runs(self, path: Path, function: InferenceFunction) -> dict[str, Run]:
        """Return, by the name of the runtime, what runs the artifact on a dict of arrays.

        Raises:
            ValueError: if the artifact cannot be loaded, or has other inputs or outputs than
                `function`.
        """

    def on_providers(self, providers: tuple[str, ...]) -> Format:
        """Return the format with other execution providers of its runtime for `runs`.

        Raises:
            ValueError: if the runtime has none, or not these.
        """
        raise invalid("providers", f"None for {self.title}: onnxruntime has them", list(providers))

    def answers_apart(
        self, path: Path, function: InferenceFunction, trials: Sequence[Arrays], always: bool
    ) -> dict[str, list[Arrays]]:
        """Return, by the name of a runtime, what it answers to `trials` in a process of its own.

        always: whether it is asked where the artifact cannot depend on the process it is in, too.

        Raises:
            ValueError: if the artifact cannot be loaded or run there.
        """
        return {}

    def precision_in(self, path: Path) -> str | None:
        """Return what an artifact was made less precise to, as `lowered_to`."""
        return None

    def sampling_in(self, path: Path) -> str | None:
        """Return how an artifact samples, as JSON text, None where it holds no dropout."""
        return None

    def decided_in(self, path: Path) -> str | None:
        """Return what an artifact says of its outputs beside them, as JSON text, or None."""
        return None

    def self_test_in(self, path: Path) -> str | None:
        """Return the self-test that an artifact carries, as JSON text, None where it has none."""
        return None

    def interface(self, path: Path) -> Interface | None:
        """Return what a server is told of an artifact, None where `package` does not take it.

        Raises:
            ValueError: if the artifact cannot be read or loaded.
        """
        return None

    def inner_values(self, path: Path, names: Sequence[str], inputs: Arrays) -> Arrays:
        """Return those inner tensors of an artifact that have one of `names`, by name."""
        return {}


def check_names(
    path: Path, function: InferenceFunction, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Raise a clear error unless an artifact has the inputs and outputs of `function`."""
    wanted = [{each.name for each in side} for side in (function.inputs, function.outputs)]
    if [set(inputs), set(outputs)] != wanted:
        raise invalid(
            "path",
            f"an artifact of model {function.name!r}, with inputs {sorted(wanted[0])} and outputs "
            f"{sorted(wanted[1])}",
            str(path),
            f"It has inputs {sorted(inputs)} and outputs {sorted(outputs)}.",
        )


def unreadable(path: Path, what: str, reason: Any) -> ValueError:
    """Return the error for an artifact that cannot be read; the caller raises it."""
    return invalid("path", f"a whole {what}", str(path), f"It cannot be read: {reason}")
