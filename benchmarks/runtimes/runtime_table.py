"""The runtimes that are tried, each in a process of its own with a time limit."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import browser
import exchange
import outcomes
from artifacts import Artifact
from making import CASES, FORMATS
from outcomes import Outcome

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENV = ROOT / ".venv-runtimes"  # OpenCV and tract, and the packages of npm; see the Makefile
MODULES = VENV / "node_modules"


@dataclass(frozen=True)
class Runtime:
    """One runtime, and the format that it runs.

    name: in the table; worker: a function of python_runtimes.py, "node", or for onnxruntime-web
    its provider; kind: which program runs it; cases: how many it is asked, None for all; limits:
    what `audit(path, runtime=...)` calls it.
    """

    name: str
    worker: str
    kind: str = "python"
    format: str = "onnx"
    note: str = ""
    cases: int | None = None
    limits: str | None = None

    def try_on(self, artifact: Artifact, folder: Path, limit: float) -> Outcome:
        """Return what becomes of an artifact in `folder` within `limit` seconds."""
        given = exchange.read(folder / CASES)
        given["cases"] = given["cases"][: self.cases]
        if self.format in given["refused"]:
            return Outcome(outcomes.NOT_WRITTEN, reason=given["refused"][self.format])
        path = folder / FORMATS[self.format][0]
        if self.kind == "browser":
            package = MODULES / "onnxruntime-web"
            state = browser.answers(package, self.worker, path, folder / CASES, limit)
            if state is None:
                return Outcome(outcomes.SLOW, reason=f"{limit:.0f} s")
            return outcomes.outcome(artifact, given, state)
        with tempfile.TemporaryDirectory() as place:
            cases, answers = Path(place) / CASES, Path(place) / "answers.json"
            exchange.write(cases, given)
            command = [*self._command(), str(path), str(cases), str(answers)]
            try:
                done = subprocess.run(command, capture_output=True, timeout=limit, check=False)
            except subprocess.TimeoutExpired:
                return Outcome(outcomes.SLOW, reason=f"{limit:.0f} s")
            if not answers.exists() or done.returncode:
                return outcomes.ended(done.returncode, done.stderr.decode(errors="replace"))
            return outcomes.outcome(artifact, given, exchange.read(answers))

    def _command(self) -> list[str]:
        if self.kind == "node":
            return ["node", str(HERE / "node_worker.mjs"), str(MODULES)]
        python = VENV / "bin" / "python" if self.kind == "apart" else sys.executable
        return [str(python), str(HERE / "python_worker.py"), self.worker]


RUNTIMES = (
    Runtime("onnxruntime", "onnxruntime", note="Python, CPU", limits="onnxruntime"),
    Runtime("onnxruntime, unoptimized", "onnxruntime_plain", note="Python, CPU, `ORT_DISABLE_ALL`"),
    Runtime("onnxruntime-node", "node", "node", note="CPU", limits="onnxruntime-node"),
    Runtime(
        "onnxruntime-web, wasm",
        "wasm",
        "browser",
        note="in headless Chromium",
        limits="onnxruntime-web-wasm",
    ),
    Runtime(
        "onnxruntime-web, WebGPU",
        "webgpu",
        "browser",
        note="in headless Chromium",
        limits="onnxruntime-web-webgpu",
    ),
    Runtime("OpenVINO", "openvino", note="CPU, `INFERENCE_PRECISION_HINT` f32", limits="openvino"),
    Runtime(
        "onnx reference",
        "reference",
        note="`onnx.reference.ReferenceEvaluator`",
        limits="onnx-reference",
    ),
    Runtime("OpenCV", "opencv", "apart", note="`cv2.dnn.readNetFromONNX`, CPU", limits="opencv"),
    Runtime("tract", "tract", "apart", note="dynamic dimensions", limits="tract"),
    Runtime(
        "tract, fixed shapes",
        "tract_fixed",
        "apart",
        note="`set_input_fact` with all sizes",
        limits="tract-fixed-shapes",
    ),
    Runtime("LiteRT", "litert", format="litert", note="interpreter with XNNPACK"),
    Runtime(
        "TFSMLayer",
        "tfsm_layer",
        format="saved_model",
        note="`keras.layers.TFSMLayer`, with the `dtype` of the inputs",
    ),
    Runtime(
        "saved_model_cli", "saved_model_cli", format="saved_model", note="`run`, all rows", cases=1
    ),
)
