"""Runs a packaged 1/model.onnx in Triton's Python backend, whose wheel has no backend for ONNX."""

import json
import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """What Triton's Python backend calls."""

    def initialize(self, args):
        """Load the file beside this one."""
        config = json.loads(args["model_config"])
        self.inputs, self.outputs = (
            [each["name"] for each in config[side]] for side in ("input", "output")
        )
        folder = os.path.join(args["model_repository"], args["model_version"])
        self.session = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"))

    def execute(self, requests):
        """Run the rows of all requests as one batch, as the backend for ONNX does."""
        given = [
            [triton.get_input_tensor_by_name(each, name).as_numpy() for name in self.inputs]
            for each in requests
        ]
        feeds = {name: np.concatenate([x[i] for x in given]) for i, name in enumerate(self.inputs)}
        ends = np.cumsum([len(x[0]) for x in given])[:-1]
        parts = [np.split(x, ends) for x in self.session.run(self.outputs, feeds)]
        return [
            triton.InferenceResponse(
                [
                    triton.Tensor(name, np.ascontiguousarray(parts[i][number]))
                    for i, name in enumerate(self.outputs)
                ]
            )
            for number in range(len(requests))
        ]
