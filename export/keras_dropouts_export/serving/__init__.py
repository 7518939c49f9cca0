"""What an artifact needs to be served: a row for each kind of server in the table here.

Nothing heavy is imported before a package is made, so the command line can show the table at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from keras_dropouts_export.serving.packaging import Packaging


@dataclass(frozen=True)
class Target:
    """What is known of a kind of server before its module is imported.

    name: what `package` and the command line call it; title: what is written, in a sentence;
    options: the arguments of `package` that it takes; module: where its `write` is.
    """

    name: str
    title: str
    options: tuple[str, ...]
    module: str

    @property
    def write(self) -> Callable[[Packaging, Path], None]:
        """The function that writes the package into an empty folder."""
        found: Callable[[Packaging, Path], None]
        found = import_module(f"{__name__}.{self.module}").write
        return found


TARGETS = (
    Target("triton", "a Triton model repository", ("name", "max_batch_size"), "triton_repository"),
    Target(
        "kserve",
        "a KServe InferenceService and the Triton model repository that it points to",
        ("name", "max_batch_size", "storage_uri"),
        "kserve_service",
    ),
    Target("mlflow", "an MLflow model", (), "mlflow_model"),
)
