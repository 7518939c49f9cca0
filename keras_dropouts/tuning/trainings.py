"""Says what one training of a comparison is: a model, a seed, a split, and what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import invalid

Job = tuple[str, int]  # the name of a builder and a seed
Values = dict[str, float]  # metrics by name


@dataclass(frozen=True)
class Plan:
    """What is trained, on what, and how; the same for all jobs.

    test: held-out inputs and labels, or None where `test_split` of the rows is held out, others for
    each seed. measures: functions (model, x, y) -> number, by name.
    """

    builders: Mapping[str, Callable[[], Any]]
    x: Any
    y: Any
    test: tuple[Any, Any] | None
    test_split: float
    fit: Mapping[str, Any]
    measures: Mapping[str, Callable[[Any, Any, Any], float]]

    def run(self, job: Job) -> Values:
        """Train one model under one seed, and return its metrics on the rows held out.

        Raises:
            ValueError: if the builder returns no compiled model, or anything fails.
        """
        name, seed = job
        x, y, x_test, y_test = self._split(seed)
        try:
            keras.utils.set_random_seed(seed)
            model = self.builders[name]()
            if not isinstance(model, keras.Model) or not getattr(model, "compiled", False):
                expected = "functions that return compiled Keras models"
                raise invalid("builders", expected, f"{name!r}, which returns {model!r}")
            keras.utils.set_random_seed(seed)  # whatever was drawn to build it: the same batches
            model.fit(x, y, **{"verbose": 0, **self.fit})
            found = dict(model.evaluate(x_test, y_test, verbose=0, return_dict=True))
            found |= {key: measure(model, x_test, y_test) for key, measure in self.measures.items()}
            return {key: float(np.asarray(value)) for key, value in found.items()}
        except Exception as error:  # whatever a builder, a callback or a metric raises
            raise ValueError(
                f"Training {name!r} with seed {seed} failed: {type(error).__name__}: {error}"
            ) from error

    def _split(self, seed: int) -> tuple[Any, Any, Any, Any]:
        if self.test is not None:
            return self.x, self.y, *self.test
        rows = len(keras.tree.flatten(self.x)[0])
        order = np.random.default_rng(seed).permutation(rows)
        held = max(1, round(self.test_split * rows))

        def taken(data: Any, chosen: np.ndarray) -> Any:
            return keras.tree.map_structure(lambda each: each[chosen], data)

        train, test = order[held:], order[:held]
        return taken(self.x, train), taken(self.y, train), taken(self.x, test), taken(self.y, test)


def set_keras(settings: Mapping[str, str]) -> None:
    """Set Keras in another process as it is set in the one that compares."""
    keras.config.set_floatx(settings["floatx"])
    keras.config.set_image_data_format(settings["image_data_format"])
    keras.config.set_dtype_policy(settings["dtype_policy"])
