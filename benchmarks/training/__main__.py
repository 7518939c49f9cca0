"""Train in every way that Keras has on each backend, with our layers in place.

Run it by `make training`. Each way trains a small model in which the dropout of this package is
followed by a layer that counts. Afterwards the layer must have counted the steps that there were,
the share of zeros must be the rate (within 5 standard deviations), no two steps may have had the
same mask, and the stripped model must be the trained one at inference. A line says what came of a
way; it ends with status 1 where one fails.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import subprocess
import sys
import time
import warnings
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")


def main() -> int:
    """Run the ways on each backend, each backend in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", nargs="*", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--only", default="", help="ways with this in their name")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        return _here(arguments.only)
    root = Path(__file__).resolve().parents[2]
    paths = [str(root), str(root / "export"), os.environ.get("PYTHONPATH", "")]
    status = 0
    for backend in arguments.backends:
        command = [sys.executable, str(Path(__file__).parent), "--here", "--only", arguments.only]
        variables = {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(paths)}
        print(f"{backend}", flush=True)
        status |= subprocess.run(command, env={**os.environ, **variables}, check=False).returncode
    return status


def _here(only: str) -> int:
    """Run the ways on the backend of this process."""
    import feeding  # noqa: F401 - each puts its ways into the table
    import fitting  # noqa: F401
    import keras
    import loops  # noqa: F401
    import subject
    from ways import WAYS

    warnings.simplefilter("ignore")
    passed, names = 0, [name for name in WAYS if only in name]
    for name in names:
        keras.utils.set_random_seed(7)
        begin = time.perf_counter()
        try:
            model, said = WAYS[name]()
            subject.check_stripped(model, _inputs(model))
            passed += 1
            said = f"ok    {said}"
        except Exception as error:  # noqa: BLE001 - whatever a way may raise is told
            lines = str(error).strip().splitlines() or [""]
            said = f"FAILS {type(error).__name__}: {lines[0][:160]}"
        print(f"  {name:<62} {time.perf_counter() - begin:5.1f} s  {said}", flush=True)
    print(f"  {passed} of {len(names)} ways", flush=True)
    return 0 if passed == len(names) else 1


def _inputs(model: object) -> object:
    """Return inputs for a trained model."""
    import keras
    import numpy as np

    def one(tensor: object) -> object:
        shape = [size or 5 for size in tensor.shape[1:]]  # type: ignore[attr-defined]
        values = np.random.default_rng(3).uniform(0.5, 1.5, (3, *shape))
        return keras.ops.convert_to_tensor(values, tensor.dtype)  # type: ignore[attr-defined]

    if not isinstance(model, (keras.Sequential,)) and getattr(model, "inputs", None):
        return keras.tree.map_structure(one, model._inputs_struct)  # type: ignore[attr-defined]
    return keras.ops.convert_to_tensor(np.full((3, 48), 1.25, "float32"))


if __name__ == "__main__":
    sys.exit(main())
