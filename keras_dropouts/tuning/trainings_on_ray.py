"""Runs the trainings of a comparison as tasks of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from keras_dropouts.tuning.trainings import Job, Plan, Values, set_keras

# Ray says no more than which process died, so it is told to try once more: a training is the same
# whenever it runs.
_TRIES_MORE = 1


def on_ray(plan: Plan, jobs: list[Job], settings: dict[str, str]) -> Iterator[tuple[Job, Values]]:
    """Yield the metrics of each job as it ends.

    The cluster is the one that this process is connected to, or the one of `RAY_ADDRESS`, or one
    that is started here and ended again. Each training takes one CPU of it. Functions of a module
    must be there on each machine; those of a script or a notebook are sent.

    Raises:
        ImportError: if Ray is not installed.
        ValueError: if a training fails, or Ray cannot run it.
    """
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        ray.init(log_to_driver=False, include_dashboard=False)
    try:
        options = {
            "num_cpus": 1,
            "max_retries": _TRIES_MORE,
            "runtime_env": {"env_vars": {"KERAS_BACKEND": keras.backend.backend()}},
        }
        train = ray.remote(**options)(_train)
        shared = _sent(ray, plan)
        waiting = {train.remote(shared, settings, job): job for job in jobs}
        try:
            while waiting:
                done, _ = ray.wait(list(waiting))
                yield waiting.pop(done[0]), _result(ray, done[0])
        finally:
            for each in waiting:
                ray.cancel(each, force=True)
    finally:
        if ours:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ImportError(
            "Training on a cluster needs Ray. Install it: pip install 'keras-dropouts[ray]', "
            "or pass processes=2."
        ) from error
    return ray


def _sent(ray: Any, plan: Plan) -> Any:
    try:
        return ray.put(plan)
    except Exception as error:  # whatever cannot be pickled raises
        raise ValueError(
            f"What is compared cannot be sent to Ray: {error} Make builders, metrics and callbacks "
            f"functions and classes of a module, or pass processes=1."
        ) from error


def _result(ray: Any, reference: Any) -> Values:
    try:
        found: Values = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, ValueError):  # what `Plan.run` raises
            raise ValueError(str(cause)) from error
        raise ValueError(_failed(cause)) from error
    except ray.exceptions.RayError as error:
        raise ValueError(_failed(error)) from error
    return found


def _failed(error: BaseException) -> str:
    said = " ".join(str(error).split("traceback:")[0].split())[:600]
    return (
        f"Ray could not run a training: {type(error).__name__}: {said} Each machine needs Keras, "
        f"keras_dropouts and the modules of the builders."
    )


def _train(plan: Plan, settings: dict[str, str], job: Job) -> Values:
    set_keras(settings)
    return plan.run(job)
