"""Runs the trainings of a comparison: here, in several processes, or as tasks of a Ray cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

import keras

from keras_dropouts.arguments import invalid
from keras_dropouts.tuning.trainings import Job, Plan, Values, set_keras
from keras_dropouts.tuning.trainings_on_ray import on_ray

RAY = "ray"


def run_all(plan: Plan, jobs: list[Job], processes: int | str, verbose: bool) -> dict[Job, Values]:
    """Return the metrics of all jobs, which are the same whatever `processes` is.

    Raises:
        ValueError: if a job fails, or cannot be handed to another process.
    """
    done: dict[Job, Values] = {}
    if processes == RAY:
        finished = on_ray(plan, jobs, _settings())
    elif processes == 1:
        finished = _here(plan, jobs)
    else:
        finished = _elsewhere(plan, jobs, int(processes))
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
    with (
        _same_backend(),
        ProcessPoolExecutor(
            min(processes, len(jobs)),
            # A forked process would share the threads of the backend, which stand still in it.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_receive,
            initargs=(packed, _settings()),
        ) as pool,
    ):
        waiting = {pool.submit(_run_received, job): job for job in jobs}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        finally:
            for future in waiting:
                future.cancel()


def _settings() -> dict[str, str]:
    """Return how Keras is set here, which other processes set likewise."""
    return {
        "floatx": keras.config.floatx(),
        "image_data_format": keras.config.image_data_format(),
        "dtype_policy": keras.config.dtype_policy().name,
    }


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
    set_keras(settings)
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
