"""Serves an exported .onnx file with LitServe, which puts requests of one row in batches.

pip install litserve
MODEL=digits.onnx python litserve_app.py
"""

import os

import litserve
import numpy as np
from fastapi import HTTPException
from served_file import BadRequest, ServedFile


class Served(litserve.LitAPI):
    """A request is `{"inputs": {name: one row}, "seed": integer or left out}`."""

    def setup(self, device):
        """Load the file in the worker, and run its self-test."""
        self.file = ServedFile(os.environ.get("MODEL", "model.onnx"))

    def decode_request(self, request):
        """Return the arrays of one request."""
        try:
            rows = {name: [row] for name, row in request["inputs"].items()}
            seed = request.get("seed")
            if not (seed is None or type(seed) is int):
                raise BadRequest("`seed` must be an integer of 64 bits.")
            return self.file.arrays(rows, None if seed is None else [seed])
        except (BadRequest, OverflowError) as error:
            raise HTTPException(422, str(error)) from None
        except (AttributeError, KeyError, TypeError):
            expected = 'Expected {"inputs": {name: row}, "seed": integer or left out}.'
            raise HTTPException(422, expected) from None

    def batch(self, requests):
        """Put the rows together."""
        return {name: np.concatenate([x[name] for x in requests]) for name in requests[0]}

    def predict(self, batch):
        """Run all rows at once."""
        found = {**batch, **self.file.run(batch)}
        rows = len(next(iter(batch.values())))
        names = [*self.file.outputs, *(["seed"] if self.file.takes_seeds else [])]
        return [
            {"batch_rows": rows, **{name: found[name][n] for name in names}} for n in range(rows)
        ]

    def unbatch(self, output):
        """Return the rows, which `predict` has taken apart."""
        return output

    def encode_response(self, output):
        """Return one row as JSON takes it."""
        found = {name: np.asarray(x).tolist() for name, x in output.items()}
        return {
            "batch_rows": found.pop("batch_rows"),
            "seed": found.pop("seed", None),
            "outputs": found,
        }


if __name__ == "__main__":
    server = litserve.LitServer(
        Served(max_batch_size=64, batch_timeout=0.005), accelerator="cpu", workers_per_device=1
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ.get("PORT", "8000")),
        generate_client_file=False,
        log_level="warning",
    )
