"""Reproduce results of the papers in minutes: `make reproduce` writes docs/reproduction.md.

With names of sections it runs these alone; the page is made of the last text of each.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

import platform
import sys
import time
from pathlib import Path

import concrete
import digits
import keras
import regression

ROOT = Path(__file__).resolve().parents[2]
DOCS, TEXTS = ROOT / "docs", ROOT / "build" / "reproduce"
SECTIONS = {"concrete": concrete, "regression": regression, "digits": digits}


def main(names: list[str]) -> None:
    """Run the sections, and write the report once there is a text of each."""
    images = DOCS / "images"
    images.mkdir(parents=True, exist_ok=True)
    TEXTS.mkdir(parents=True, exist_ok=True)
    for name in names or SECTIONS:
        start = time.monotonic()
        text = SECTIONS[name].section(images)
        (TEXTS / f"{name}.md").write_text(text)
        print(text)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    texts = [path.read_text() for name in SECTIONS if (path := TEXTS / f"{name}.md").exists()]
    if len(texts) < len(SECTIONS):
        return
    head = (
        "# Results of the papers, reproduced\n\n"
        "`make reproduce` makes this page. Small nets and small data, so that it takes minutes on "
        "a CPU; what does not show a paper's effect is reported as it is.\n\n"
        f"Python {platform.python_version()}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}, {platform.machine()}.\n\n"
    )
    (DOCS / "reproduction.md").write_text(head + "\n".join(texts))


if __name__ == "__main__":
    main(sys.argv[1:])
