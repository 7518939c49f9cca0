"""Defines the report of a package, which prints for a person and is kept in the package."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from keras_dropouts_export.printable import printable


@dataclass(frozen=True)
class PackageReport:
    """What `package` wrote.

    path: the folder; target: the kind of server; name: what the server calls the model; files: what
    is in the folder, relative to it; alone: None where the server may put requests together in a
    batch, or else the reason why it must not.

    Example:

    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2, name="score")]
    >>> report = kde.export_onnx(keras.Sequential(layers), "score.onnx", samples=8)
    >>> report = kde.package("score.onnx", "models", target="triton")
    >>> report.name, report.batching
    ('score', True)
    >>> print(report)
    models (a Triton model repository)
      score/1/model.onnx
      ...
      requests may be put together in a batch
    """

    path: str
    target: str
    title: str
    name: str
    files: tuple[str, ...]
    alone: str | None

    @property
    def batching(self) -> bool:
        """Whether the server may put requests together in a batch."""
        return self.alone is None

    def __str__(self) -> str:
        together = (
            "requests may be put together in a batch"
            if self.batching
            else f"requests must not be put together: {self.alone}"
        )
        head = f"{printable(self.path)} ({self.title})"
        return "\n".join([head, *(f"  {printable(each)}" for each in self.files), f"  {together}"])

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps({"ok": True, "batching": self.batching, **asdict(self)}, indent=2)
