"""Reproduce results of the papers: `make reproduce` writes docs/reproduction.md.

With names of studies (`make reproduce STUDY='blocks shift'`) it runs these alone; what the page
says of the others stays. Studies on the digits of `make digits` keep what each training has
measured under build/reproduce, so that one that was stopped goes on where it was. With fewer than
ten seeds the text is printed and the page stays as it is.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

import argparse
import platform
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS, BUILT = ROOT / "docs", ROOT / "build" / "reproduce"
SEEDS = 10
# The name of each study and the heading of its section, in the order of the page.
SECTIONS = {
    "concrete": "Concrete dropout: synthetic regression",
    "regression": "Monte-Carlo dropout: regression",
    "digits": "Blocks, schedules, early and late dropout: digits",
    "blocks": "DropBlock and its ramp: digits of 28 x 28 pixels",
    "early_late": "Early and late dropout: digits of 28 x 28 pixels",
    "concrete_digits": "Concrete dropout by the size of the data: digits of 28 x 28 pixels",
    "shift": "Monte-Carlo dropout under shift: digits of 28 x 28 pixels",
}


def section(name: str, images: Path, seeds: int, processes: int) -> str:
    """Run a study and return its section of the page, heading included."""
    if name in ("concrete", "regression", "digits"):
        import concrete
        import digits
        import regression

        modules = {"concrete": concrete, "regression": regression, "digits": digits}
        return modules[name].section(images)
    import concrete_digits_section
    import shift_section
    import training_sections

    make = {
        "blocks": training_sections.blocks_section,
        "early_late": training_sections.early_late_section,
        "concrete_digits": concrete_digits_section.section,
        "shift": shift_section.section,
    }[name]
    return f"## {SECTIONS[name]}\n\n{make(images, seeds, processes)}"


def page(texts: dict[str, str], old: str) -> str:
    """Return the page with new texts in the place of old ones."""
    import keras

    parts = {part.partition("\n")[0]: part for part in re.split(r"^## ", old, flags=re.M)[1:]}
    kept = {name: f"## {parts[title]}" for name, title in SECTIONS.items() if title in parts}
    head = (
        "# Results of the papers, reproduced\n\n"
        "**In short:** on small nets and small data some of the effects of the papers show and "
        "others do not; each is reported as it came out.\n\n"
        "`make reproduce` makes this page. Small nets and small data, so that it takes minutes on "
        "a CPU; what does not show a paper's effect is reported as it is.\n\n"
        f"Python {platform.python_version()}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}, {platform.machine()}.\n\n"
    )
    found = {**kept, **texts}
    return head + "\n".join(f"{found[name].strip()}\n" for name in SECTIONS if name in found)


def main(arguments: list[str]) -> None:
    """Run the studies, and write the page."""
    parser = argparse.ArgumentParser(prog="make reproduce", description=__doc__)
    parser.add_argument("studies", nargs="*", metavar="study", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of digits of 28 x 28 pixels")
    parser.add_argument("--processes", type=int, default=2, help="that train at once")
    given = parser.parse_args(arguments)
    if unknown := set(given.studies) - set(SECTIONS):
        parser.error(
            f"there is no study {', '.join(sorted(unknown))}. Known: {', '.join(SECTIONS)}"
        )
    whole = given.seeds >= SEEDS
    images = DOCS / "images" if whole else BUILT / "images"
    images.mkdir(parents=True, exist_ok=True)
    path = DOCS / "reproduction.md"
    for name in given.studies or SECTIONS:
        start = time.monotonic()
        text = section(name, images, given.seeds, given.processes)
        print(text)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
        if whole:
            path.write_text(page({name: text}, path.read_text() if path.exists() else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
