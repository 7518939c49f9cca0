"""Loads an exported .onnx file with onnxruntime and NumPy alone, and checks what comes to it."""

import json
import secrets

import numpy as np
import onnxruntime

KINDS = {"float": "float32", "double": "float64"}  # where onnxruntime's names are not NumPy's
INT64 = (-(2**63), 2**63 - 1)


class BadRequest(ValueError):
    """What is wrong with a request, in a sentence for whoever sent it."""


class ServedFile:
    """An .onnx file that passed its own self-test (docs/self_test.md)."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.inputs = {each.name: each for each in self.session.get_inputs()}
        self.outputs = [each.name for each in self.session.get_outputs()]
        self.takes_seeds = "seed" in self.inputs
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.labels = json.loads(metadata.get("keras_dropouts.labels", "{}"))
        self.check(json.loads(metadata["keras_dropouts.self_test"]))

    def run(self, inputs):
        """Return the outputs by name."""
        return dict(zip(self.outputs, self.session.run(self.outputs, inputs), strict=True))

    def check(self, test):
        """End the start of the server if this machine's onnxruntime answers wrongly.

        The rows are run alone, too: requests are put together only where that makes no difference.
        """
        inputs = {name: made(each) for name, each in test["inputs"].items()}
        rows = min(len(x) for x in inputs.values())
        alone = [self.run({name: x[[n]] for name, x in inputs.items()}) for n in range(rows)]
        answers = self.run(inputs)
        for name, wanted in test["outputs"].items():
            joined = np.concatenate([each[name] for each in alone])
            for what, x in (("", answers[name]), (", its rows alone", joined)):
                shown = x.reshape(-1)[:: wanted["stride"]].astype("float64")
                numbers = np.array(wanted["values"], "float64")  # null, not finite, becomes NaN
                close = np.allclose(
                    shown, numbers, rtol=0.0, atol=wanted["tolerance"], equal_nan=True
                )
                if list(x.shape) != wanted["shape"] or not close:
                    raise RuntimeError(f"self-test failed: output {name!r}{what} is not the file's")

    def arrays(self, given, seeds):
        """Return the arrays of a request, with a seed drawn for each row if none were given.

        Raises:
            BadRequest: saying what is wrong.
        """
        wanted = [name for name in self.inputs if name != "seed"]
        if sorted(given) != sorted(wanted):
            raise BadRequest(f"`inputs` must have the names {wanted}, and has {sorted(given)}.")
        found = {name: self.array(name, given[name]) for name in wanted}
        counts = {name: len(x) for name, x in found.items()}
        if len(set(counts.values())) > 1 or not all(counts.values()):
            raise BadRequest(f"Inputs must have equal numbers of rows, at least 1: {counts}.")
        rows = next(iter(counts.values()))
        if self.takes_seeds:
            if seeds is None:  # below 2**53, as JavaScript has no larger integers
                seeds = [secrets.randbelow(2**53) for _ in range(rows)]
            if len(seeds) != rows:
                raise BadRequest(f"`seed` must have one integer for each of the {rows} rows.")
            found["seed"] = np.array(seeds, "int64")
        elif seeds is not None:
            raise BadRequest("This file takes no `seed`.")
        return found

    def array(self, name, values):
        """Return one input, of the dtype and the shape that the file takes."""
        try:
            x = np.array(values)
        except ValueError:
            raise BadRequest(f"Input {name!r} must have rows of equal lengths.") from None
        kind = self.inputs[name].type.removeprefix("tensor(").removesuffix(")")
        dtype, shape = np.dtype(KINDS.get(kind, kind)), self.inputs[name].shape
        allowed = {"b": "b", "i": "iu", "u": "iu", "f": "fiu"}[dtype.kind]
        if x.dtype.kind not in allowed:
            raise BadRequest(f"Input {name!r} must hold numbers of {dtype}.")
        sizes = [size if isinstance(size, int) else None for size in shape[1:]]
        fits = x.ndim == len(shape) and all(
            size in (None, got) for size, got in zip(sizes, x.shape[1:], strict=True)
        )
        if not fits:
            raise BadRequest(
                f"Input {name!r} must be of shape [rows, {', '.join(str(s or '?') for s in sizes)}]"
                f", and is of {list(x.shape)}."
            )
        with np.errstate(over="ignore"):
            found = x.astype(dtype)
        lost = dtype.kind in "iu" and not np.array_equal(found, x)
        if lost or (dtype.kind == "f" and not np.isfinite(found).all()):
            raise BadRequest(f"Input {name!r} must hold finite numbers of {dtype}.")
        return found


def made(description):
    """Return an array as the self-test describes it."""
    numbers = description.get("values")
    if numbers is None:
        index = np.arange(np.prod(description["shape"], dtype="int64"))
        numbers = index * 40503 % 65536 / 65536 + description["offset"]
    return np.array(numbers, description["dtype"]).reshape(description["shape"])
