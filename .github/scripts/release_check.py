"""Checks what a release needs: changelog, builds, README, installs and licences.

Run it by `make release-check`. With `--quick` nothing large is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tag_is_version import version

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
PYTHON = sys.executable
# Licences that ask nothing of a program that uses the package.
FREE = re.compile(
    r"apache|bsd|mit\b|isc|psf|python software|zlib|0bsd|mpl|unlicense|hpnd|cc0|public domain", re.I
)
LICENCES = """
import importlib.metadata as m, json
print(json.dumps([[d.name, d.version, d.metadata.get("License-Expression")
    or "; ".join(c.split(" :: ")[-1] for c in d.metadata.get_all("Classifier") or []
                 if c.startswith("License ::"))
    or (d.metadata.get("License") or "").strip()[:60]] for d in m.distributions()]))
"""
SMOKE = "import keras_dropouts, keras_dropouts_export as kde; kde.export_onnx; print('imports')"


def run(*command: object, **more: object) -> str:
    """Run a command and return what it printed; end with its messages where it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def changelog_problems() -> Iterator[str]:
    """Yield what is missing in the changelog."""
    number = version()
    if not re.search(
        rf"^## \[{re.escape(number)}\] - \d{{4}}-\d\d-\d\d$",
        (ROOT / "CHANGELOG.md").read_text(),
        re.M,
    ):
        yield f"CHANGELOG.md has no line `## [{number}] - YYYY-MM-DD`."


def built() -> Path:
    """Build the sdist, and the wheel from it, check both and return the wheel."""
    folder = BUILD / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    run(PYTHON, "-m", "build", "--outdir", folder)
    run(PYTHON, "-m", "twine", "check", "--strict", *folder.iterdir())
    run(PYTHON, "-m", "readme_renderer", "README.md", "-o", BUILD / "readme.html")
    return next(folder.glob("*.whl"))


def installed(wheel: Path, which: str) -> list[list[str]]:
    """Install the wheel with its exports in an empty environment; return its licences."""
    home = ROOT / f".venv-release-{which}"
    shutil.rmtree(home, ignore_errors=True)
    run(PYTHON, "-m", "venv", home)
    python = home / "bin" / "python"
    pins = ROOT / "constraints" / f"{which}.txt"
    run(python, "-m", "pip", "install", "--no-compile", "-c", pins, f"{wheel}[export,plot]")
    run(python, "-P", "-c", SMOKE)
    print(f"  {which}: {run(home / 'bin' / 'keras-dropouts', '--version').strip()}")
    found: list[list[str]] = json.loads(run(python, "-c", LICENCES))
    shutil.rmtree(home)
    return found


def main() -> None:
    """Check all, and end with status 1 if something is missing."""
    BUILD.mkdir(exist_ok=True)
    problems = list(changelog_problems())
    print("Building the sdist and the wheel, and rendering README", flush=True)
    wheel = built()
    if "--quick" not in sys.argv[1:]:
        print("Installing the wheel with the oldest and the newest releases", flush=True)
        licences = {tuple(row) for which in ("oldest", "newest") for row in installed(wheel, which)}
        lines = [" ".join(row) for row in sorted(licences)]
        (BUILD / "licences.txt").write_text("\n".join(lines) + "\n")
        problems += [
            f"{name} {number} has a licence to look at: {licence or 'none is stated'}"
            for name, number, licence in sorted(licences)
            if not FREE.search(licence)
        ]
    if problems:
        raise SystemExit("\n".join(problems))
    print(f"Version {version()} can be released: git tag v{version()}, and push the tag.")


if __name__ == "__main__":
    main()
