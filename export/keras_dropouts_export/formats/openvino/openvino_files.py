"""Replaces the two files of OpenVINO so that the graph always finds its weights."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from keras_dropouts_export.destination.layout import Move
from keras_dropouts_export.formats.openvino.openvino_audit import load_network, weights_file

_ALIGNMENT = 4096


def foreign(path: Path) -> tuple[Path, ...]:
    """Return the .bin file if there is no .xml file of OpenVINO at `path` that it belongs to."""
    weights = weights_file(path)
    if not weights.exists():
        return ()
    if path.is_file():
        try:
            load_network(path)
        except ValueError:
            return (weights,)
        return ()
    return (weights,)


def moves(made: Path, target: Path) -> Sequence[Move]:
    """Return the renames that put an .xml file and its .bin file at `target`.

    The .bin file is found by its name alone, and the .xml file says at which byte each weight
    begins. Where both files are replaced, the .bin file holds the weights of both models for a
    while, those of the new one behind those of the old one, and an .xml file that reads them there
    is at the path until they can be read from the beginning of the file.
    """
    new, old = weights_file(made), weights_file(target)
    if not (target.exists() and old.exists()):
        return [Move(new, old), Move(made, target)]
    behind = max(new.stat().st_size, old.stat().st_size)
    behind += -behind % _ALIGNMENT
    both, twice = made.with_name("both"), made.with_name("twice")
    for place, first in ((both, old), (twice, new)):
        _joined(place, first, new, behind)
    meanwhile = made.with_name("meanwhile")
    root = load_network(made)
    for layer in root.iter("layer"):
        data = layer.find("data")
        if layer.get("type") == "Const" and data is not None and "offset" in data.attrib:
            data.set("offset", str(int(data.attrib["offset"]) + behind))
    ElementTree.ElementTree(root).write(meanwhile, encoding="utf-8", xml_declaration=True)
    return [
        Move(both, old),
        Move(meanwhile, target),
        Move(twice, old),
        Move(made, target),
        Move(new, old),
    ]


def _joined(place: Path, first: Path, second: Path, behind: int) -> None:
    """Write a file with the bytes of `first`, and those of `second` from byte `behind` on."""
    with place.open("wb") as file:
        for part, begin in ((first, 0), (second, behind)):
            file.seek(begin)
            with part.open("rb") as source:
                shutil.copyfileobj(source, file, 2**20)
