"""Makes virtual environments in a moment: what they hold is borrowed from the one of this run."""

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SITE = Path(sysconfig.get_paths()["purelib"])
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python")


class Built(NamedTuple):
    """What an index would hold of this project."""

    wheel: Path
    sdist: Path


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command outside the tree; no variable of this run leads it back."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("PYTHON") and key != "KERAS_BACKEND"
    }
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def done(result: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed, and fail where it failed."""
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def needed(*names: str) -> dict[str, importlib.metadata.Distribution]:
    """Return the distributions of this run that these ones need, themselves included."""
    here = importlib.metadata.distributions(path=[str(SITE)])
    every = {canonicalize_name(each.metadata["Name"]): each for each in here}
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = [Requirement(name) for name in names]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            found[name] = every[name]
            waiting += [
                needs
                for needs in map(Requirement, found[name].requires or [])
                if needs.marker is None or needs.marker.evaluate({"extra": extra})
            ]
    return found


def environment(folder: Path, *names: str) -> Path:
    """Make a virtual environment that holds distributions of this run and what they need.

    They lie beside the folder that pip installs into, so pip sees them and can change none of them.
    Return the folder of its commands.
    """
    venv.create(folder, with_pip=False)
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for distribution in needed(*names).values():
        tops = {file.parts[0] for file in distribution.files or []}
        for top in tops - {"..", "__pycache__", "/"}:
            link = borrowed / top
            if not link.exists():
                link.symlink_to(SITE / top)
    (site,) = folder.glob("lib/python*/site-packages")
    # Python reads no .pth files in a folder named by one: an editable install stays out.
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    return folder / "bin"
