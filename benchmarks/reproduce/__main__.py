"""Reproduce results of the papers in minutes: `make reproduce` writes docs/reproduction.md."""

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

DOCS = Path(__file__).resolve().parents[2] / "docs"
SECTIONS = {"concrete": concrete, "regression": regression, "digits": digits}


def main(names: list[str]) -> None:
    """Run the sections and write the report; a section's text is kept in docs/images' parent."""
    images = DOCS / "images"
    images.mkdir(parents=True, exist_ok=True)
    texts = []
    for name in names or SECTIONS:
        start = time.monotonic()
        texts.append(SECTIONS[name].section(images))
        print(texts[-1])
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    if names:
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
