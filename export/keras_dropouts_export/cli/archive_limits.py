"""Refuses archives (.keras, .npz) that would grow to far more than they take on the disk."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from keras_dropouts.arguments import invalid

_FREE = 2**28  # bytes that every archive may grow to
_RATIO = 100  # times its size that a larger one may grow to: weights hardly shrink at all
_JSON = 2**26  # bytes of each .json file inside, which takes about twenty times as many when read


def check_archive(path: str | os.PathLike[str], argument: str) -> None:
    """Raise a clear error if an archive would fill the memory or the disk when it is read.

    Nothing is said of a file that is no archive: whoever reads it does.

    Raises:
        ValueError: naming `argument`, if what is in the archive is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, OverflowError):
        return
    size = Path(path).stat().st_size
    limit = max(_FREE, _RATIO * size)
    total = sum(each.file_size for each in members)
    if total > limit:
        raise invalid(
            argument,
            f"an archive of at most {limit:,} bytes when it is unpacked",
            os.fspath(path),
            f"It has {size:,} bytes, and would grow to {total:,}.",
        )
    for each in members:
        if each.filename.endswith(".json") and each.file_size > _JSON:
            raise invalid(
                argument,
                f"an archive whose {each.filename} has at most {_JSON:,} bytes",
                os.fspath(path),
                f"It has {each.file_size:,}.",
            )
