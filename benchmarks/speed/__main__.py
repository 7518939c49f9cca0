"""Time our layers against Keras's and peers', on every backend that is installed: `make bench`.

Prints tables and writes `speed.json`, `speed.png` and `speed.md` to a folder; with `--history FILE`
it also adds a line with the ratios of this run to a file, and draws all of its lines.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import history
import picture
import report

HERE = Path(__file__).resolve().parent
BACKENDS = ("tensorflow", "jax", "torch")
PACKAGES = ("keras", *BACKENDS, "numpy", "timm", "torchvision", "keras-hub")


def environment() -> dict[str, str]:
    """Return what the figures depend on: processor, load, versions."""
    return {
        "command": " ".join(["python", "benchmarks/speed", *sys.argv[1:]]),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
        "system": platform.platform(),
        "Python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def run(backend: str, seconds: float) -> dict[str, Any]:
    """Return what a worker process with this backend measures."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "results.json"
        command = [sys.executable, str(HERE / "worker.py"), str(output), "--seconds", str(seconds)]
        path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        variables = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": path}
        subprocess.run(command, check=True, env={**os.environ, **variables})
        return json.loads(output.read_text())


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="a folder")
    parser.add_argument("--backend", choices=BACKENDS, action="append", help="default: all")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each shape")
    parser.add_argument("--history", type=Path, help="a file that gets a line for this run")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"environment": environment(), "layers": [], "memory": {}}
    results["training"] = []
    for backend in arguments.backend or BACKENDS:
        if importlib.util.find_spec(backend) is None:
            print(f"{backend} is not installed: left out.")
            continue
        print(f"Timing on {backend} ...", flush=True)
        part = run(backend, arguments.seconds)
        results["layers"] += part["layers"]
        results["training"] += part["training"]
        results["memory"].update(part["memory"])
    report.show(results)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "speed.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.output / "speed.md").write_text(report.markdown(results))
    picture.draw(results, arguments.output / "speed.png")
    if arguments.history is not None:
        history.append(results, arguments.history)
        history.draw(arguments.history, arguments.output / "speed_history.png")
    print(f"Written to {arguments.output}: speed.json, speed.md, speed.png")


if __name__ == "__main__":
    main()
