"""Fetches the two files of onnxruntime-web that the page loads, by npm, and checks their sums.

`make docs` runs it; it needs Python and npm alone. The files go to build/onnxruntime-web, 14 MB.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "build" / "onnxruntime-web"
PACKAGE = "onnxruntime-web@1.30.0"


def pinned() -> dict[str, str]:
    """Return the SHA-256 of each file by its name, as the page has them."""
    text = (HERE / "pinned.mjs").read_text()
    return dict(re.findall(r'"onnxruntime-web/([^"]+)":\s*"([0-9a-f]{64})"', text))


def is_here() -> bool:
    """Return whether all files are there and have their sums."""
    return all(
        (FOLDER / name).is_file()
        and hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == wanted
        for name, wanted in pinned().items()
    )


def fetch() -> None:
    """Fetch the package, and keep the files of it that are pinned.

    Raises:
        SystemExit: if npm cannot fetch it, or a sum is another one.
    """
    print(f"Fetching {PACKAGE} by npm, for the demo in the browser")
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", PACKAGE]
        try:
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"npm cannot fetch {PACKAGE}: {error}")
        (archive,) = Path(folder).glob("*.tgz")
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as package:
            for name, wanted in pinned().items():
                file = package.extractfile(f"package/dist/{name}")
                content = b"" if file is None else file.read()
                found = hashlib.sha256(content).hexdigest()
                if found != wanted:
                    sys.exit(
                        f"{name} of {PACKAGE} is not the one that the page was made with: "
                        f"expected SHA-256 {wanted}, received {found}."
                    )
                (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    if not is_here():
        fetch()
