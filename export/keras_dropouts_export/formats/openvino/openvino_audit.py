"""Looks for random, stateful and unknown layers in an .xml file of OpenVINO, inner graphs too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from keras_dropouts_export.formats.finding import Finding, Findings
from keras_dropouts_export.formats.format import unreadable

RANDOM = frozenset(["Multinomial", "RandomPoisson", "RandomUniform"])
STATE = frozenset(["Assign", "ReadValue"])  # a variable that keeps its value from run to run
_OPSET = re.compile(r"opset[1-9]\d*")  # all others are extensions, which the runtime has to load


def findings(path: Path) -> Findings:
    """Return what an .xml file of OpenVINO holds that must not be served.

    Raises:
        ValueError: if the file is not of OpenVINO or is cut off, or its .bin file is.
    """
    layers = list(_layers(load_network(path), "the model"))
    _check_weights(path, [layer for layer, _ in layers])
    return Findings(
        operations=len(layers),
        random_ops=tuple(found for _, found in layers if found.op in RANDOM),
        state_writes=tuple(found for _, found in layers if found.op in STATE),
        unknown_ops=tuple(
            found for layer, found in layers if not _OPSET.fullmatch(layer.get("version", ""))
        ),
    )


def weights_file(path: Path) -> Path:
    """Return the path of the file with the weights of an .xml file."""
    return path.with_suffix(".bin")


def load_network(path: Path) -> ElementTree.Element:
    """Return the root of an .xml file of OpenVINO.

    Raises:
        ValueError: if the file is not of OpenVINO or is cut off.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise unreadable(path, ".xml file of OpenVINO", error) from error
    if root.tag != "net" or root.find("layers") is None:
        raise unreadable(path, ".xml file of OpenVINO", "it holds no network")
    return root


def _layers(
    graph: ElementTree.Element, where: str
) -> Iterator[tuple[ElementTree.Element, Finding]]:
    """Yield each layer of a graph and of the graphs inside its loops and branches."""
    for layer in graph.iterfind("layers/layer"):
        kind, name = layer.get("type", ""), layer.get("name", "")
        yield layer, Finding(kind, name, where)
        for part in layer:  # body, then_body and else_body
            if part.tag.endswith("body"):
                yield from _layers(part, f"{part.tag} of {kind} {name!r}")


def _check_weights(path: Path, layers: list[ElementTree.Element]) -> None:
    """Raise a clear error unless the .bin file has every constant that the .xml file names."""
    place = weights_file(path)
    if not place.is_file():
        raise unreadable(path, ".xml file of OpenVINO", f"{place.name} with its weights is missing")
    needed = 0
    for layer in layers:
        data = layer.find("data")
        if layer.get("type") == "Const" and data is not None:
            needed = max(needed, int(data.get("offset", "0")) + int(data.get("size", "0")))
    size = place.stat().st_size
    if size < needed:
        raise unreadable(
            path, ".xml file of OpenVINO", f"{place.name} has {size} of {needed} bytes of weights"
        )
