"""Writes newest.txt: the newest release of every package that the tests install.

Run it as `make constraints`. It asks pip what it would install into an empty environment, for the
oldest and the newest Python that are tested, and installs nothing.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
NEWEST = ROOT / "constraints" / "newest.txt"
HEADER = """\
# The newest release of every package that the tests install, one exact pin each.
#
# `.venv` is made from it, so `make test` is the test of the newest releases, and every run of it
# has the same ones. `make constraints` renews it: nothing here is edited by hand.

"""


def resolved(python: str, extra: str) -> dict[str, str]:
    """Return the version of each package that pip would install for this Python."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--quiet"]
        report = Path(folder) / "report.json"
        subprocess.run(
            [*pip, "--dry-run", "--ignore-installed", "--report", report, f"{ROOT}[{extra}]"],
            check=True,
        )
        found = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    # "2.13.0+cpu" is a build of 2.13.0, which another machine may not have.
    versions = {canonicalize_name(each["name"]): Version(each["version"]).public for each in found}
    del versions["keras-dropouts"]
    return versions


def minor(python: str) -> str:
    """Return the version of a Python, as in "3.11"."""
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    command = [python, "-c", script]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def merged(old: dict[str, str], new: dict[str, str], since: str) -> list[str]:
    """Return a line for each package, or one for each Python where the two differ."""
    lines = []
    for name in sorted({*old, *new}):
        one, two = old.get(name), new.get(name)
        if one == two or one is None or two is None:
            lines.append(f"{name}=={one or two}")
        else:
            lines.append(f'{name}=={one} ; python_version < "{since}"')
            lines.append(f'{name}=={two} ; python_version >= "{since}"')
    return lines


def main(oldest: str, newest: str) -> None:
    """Write newest.txt for two Pythons; the one in between takes what the newest one takes."""
    after_oldest = f"3.{int(minor(oldest).split('.')[1]) + 1}"
    # PyTorch is tested on the oldest Python alone.
    lines = merged(resolved(oldest, "dev"), resolved(newest, "test"), after_oldest)
    NEWEST.write_text(HEADER + "\n".join(lines) + "\n")
    print(f"{NEWEST.relative_to(ROOT)}: {len(lines)} pins")


if __name__ == "__main__":
    main(*sys.argv[1:])
