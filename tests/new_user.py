"""Goes the way of a new user: does what README and the first hour say, word for word, from nothing.

`make new-user` runs it, with any Python. In an empty folder it clones this checkout, makes a
virtual environment, installs by the page's commands, pastes the page's code, starts the server and
asks it; then it pastes README's code and commands. The address of the repository stands for this
checkout, and the versions are those of constraints/newest.txt.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = "https://github.com/keras-dropouts/keras-dropouts"


def main() -> None:
    """Go the whole way, and say how long each part took."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        page = (ROOT / "docs" / "start" / "first_hour.md").read_text()
        readme = (ROOT / "README.md").read_text()
        step("install, by the first hour", install, home, page)
        work = home / "empty"
        work.mkdir()
        step("the first hour's code", paste, home, work, python_blocks(page, without="app"))
        step("the first hour's server", serve, home, work, page)
        made = home / "readme"
        made.mkdir()
        step("README's code", paste, home, made, python_blocks(readme))
        shutil.copy(work / "digits.keras", made)
        step("README's commands", commands, home, made, readme)
        expect(work, "rates.png", "masks.png", "uncertainty.png", "digits.onnx", "digits.keras")
        expect(made, "uncertainty.png", "quarters.onnx", "digits.onnx", "models")


def step(name: str, function: object, *arguments: object) -> None:
    """Take a step, and print how long it took."""
    start = time.monotonic()
    function(*arguments)
    print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of code of a page, in their order."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.S)


def python_blocks(page: str, without: str = "") -> str:
    """Return the tested Python blocks of a page as one text, but one."""
    found = re.findall(r"<!-- test: (\w+) -->\n```python\n(.*?)```", page, re.S)
    return "\n".join(code for name, code in found if name != without)


def shell(home: Path, folder: Path, script: str, **environment: str) -> str:
    """Run a script as a person would type it, in the environment once there is one, or end."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "MAKE")) and name != "KERAS_BACKEND"
    }
    paths = f"{home}/keras-dropouts/.venv/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    added = {"PATH": paths, "MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "2", **environment}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**inherited, **added},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"This failed:\n{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def install(home: Path, page: str) -> None:
    """Do what the page says under "Install"."""
    script = blocks(page, "sh")[0]
    if ADDRESS not in script:
        sys.exit(f"The first commands of the first hour clone no {ADDRESS}.")
    pinned = {"PIP_CONSTRAINT": str(ROOT / "constraints" / "newest.txt"), "PIP_QUIET": "2"}
    shell(
        home, home, script.replace(ADDRESS, f"{ROOT} keras-dropouts"), PIP_NO_COMPILE="1", **pinned
    )


def paste(home: Path, folder: Path, code: str) -> None:
    """Run the code in a folder in which nothing else is."""
    (folder / "pasted.py").write_text(code)
    shell(home, folder, "python pasted.py")


def serve(home: Path, folder: Path, page: str) -> None:
    """Save the page's app, start it and ask it as the page does, on a port that is free."""
    (app,) = re.findall(r"<!-- test: app -->\n```python\n(.*?)```", page, re.S)
    (folder / "app.py").write_text(app)
    (question,) = (each for each in blocks(page, "sh") if each.startswith("curl"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    patient = "curl --silent --fail --retry 40 --retry-delay 1 --retry-connrefused "
    question = question.strip().replace("curl ", patient, 1)
    question = question.replace("localhost:8000", f"127.0.0.1:{port}")
    script = (
        "uvicorn app:app >server.log 2>&1 & trap 'kill $!' EXIT\n"
        f"{question} || {{ cat server.log >&2; exit 1; }}"
    )
    answer = json.loads(shell(home, folder, script, UVICORN_PORT=port))
    if set(answer) != {"digit", "confidence", "spread"} or not 0 < answer["confidence"] <= 1:
        sys.exit(f"The server answered {answer}.")


def commands(home: Path, folder: Path, readme: str) -> None:
    """Run README's commands; `doctor` says by its status whether there is anything to say."""
    (script,) = (each for each in blocks(readme, "sh") if "keras-dropouts inspect" in each)
    shell(home, folder, script)


def expect(folder: Path, *names: str) -> None:
    """End where one of these files is not there."""
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        sys.exit(f"{folder.name} has no {', '.join(missing)}.")


if __name__ == "__main__":
    main()
