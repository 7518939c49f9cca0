"""Trains models under given seeds and splits, here or in several processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
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


def run_all(plan: Plan, jobs: list[Job], processes: int, verbose: bool) -> dict[Job, Values]:
    """Return the metrics of all jobs, which are the same whatever `processes` is.

    Raises:
        ValueError: if a job fails, or cannot be handed to another process.
    """
    done: dict[Job, Values] = {}
    finished = _here(plan, jobs) if processes == 1 else _elsewhere(plan, jobs, processes)
    with _progress(len(jobs), verbose) as tell:
        tell(0, "")
        for job, values in finished:
            done[job] = values
            tell(len(done), f"{job[0]}, seed {job[1]}")
    return done


def _here(plan: Plan, jobs: list[Job]) -> Iterator[tuple[Job, Values]]:
    for job in jobs:
        yield job, plan.run(job)


def _elsewhere(plan: Plan, jobs: list[Job], processes: int) -> Iterator[tuple[Job, Values]]:
    packed = _packed(plan)
    settings = {
        "floatx": keras.config.floatx(),
        "image_data_format": keras.config.image_data_format(),
        "dtype_policy": keras.config.dtype_policy().name,
    }
    with (
        _same_backend(),
        ProcessPoolExecutor(
            min(processes, len(jobs)),
            # A forked process would share the threads of the backend, which stand still in it.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_receive,
            initargs=(packed, settings),
        ) as pool,
    ):
        waiting = {pool.submit(_run_received, job): job for job in jobs}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        finally:
            for future in waiting:
                future.cancel()


def _packed(plan: Plan) -> bytes:
    """Return a plan as bytes for another process.

    Raises:
        ValueError: if another process cannot import something in it.
    """
    way_out = "Put the functions into a module of their own, or pass processes=1."
    expected = "functions that another process can import where processes is above 1"
    main = sys.modules["__main__"]
    for name, builder in plan.builders.items():
        inside = getattr(builder, "__module__", None) == "__main__"
        if inside and not os.path.isfile(getattr(main, "__file__", None) or ""):
            raise invalid("builders", expected, f"{name!r} of a notebook or a prompt", way_out)
    try:
        return pickle.dumps(plan)
    except Exception as error:  # of lambdas, nested functions, and what a callback holds
        raise invalid("builders", expected, f"{plan.builders} ({error})", way_out) from error


@contextlib.contextmanager
def _same_backend() -> Iterator[None]:
    """Let processes that are started inside this block run Keras on the backend of this one."""
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = keras.backend.backend()
    try:
        yield
    finally:
        if before is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = before


_received: Plan | None = None


def _receive(packed: bytes, settings: dict[str, str]) -> None:
    global _received
    keras.config.set_floatx(settings["floatx"])
    keras.config.set_image_data_format(settings["image_data_format"])
    keras.config.set_dtype_policy(settings["dtype_policy"])
    _received = pickle.loads(packed)


def _run_received(job: Job) -> Values:
    if _received is None:
        raise RuntimeError("A process was asked to train before it was told what.")
    return _received.run(job)


@contextlib.contextmanager
def _progress(count: int, verbose: bool) -> Iterator[Callable[[int, str], None]]:
    """Show a line of progress on a terminal, and take it away afterwards."""
    shown = verbose and sys.stderr.isatty()

    def tell(done: int, what: str) -> None:
        if shown:
            width = 20 * done // count
            bar = f"[{'=' * width}{' ' * (20 - width)}]"
            print(f"\r\x1b[K{bar} {done}/{count} {what}"[:79], end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
