"""Replaces an ONNX file and the file with its weights so that the two always belong together."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx

from keras_dropouts_export.destination.layout import Move
from keras_dropouts_export.formats.onnx.graph_edits import subgraphs
from keras_dropouts_export.formats.onnx.large_weights import data_file
from keras_dropouts_export.formats.onnx.onnx_file import read

_LOCATION = "location"  # the key of the name of the second file


def foreign(path: Path) -> tuple[Path, ...]:
    """Return the file where the weights would be, if the ONNX file at `path` does not name it."""
    data = data_file(path)
    if not data.exists():
        return ()
    if path.is_file():
        try:
            if data.name in {each.value for each in _locations(read(path, weights=False))}:
                return ()
        except ValueError:  # of a damaged file, which may name it or not
            pass
    return (data,)


def moves(made: Path, target: Path) -> Sequence[Move]:
    """Return the renames that put a file, and its weights where it has some, at `target`.

    Weights that are new go first and weights that are not needed last, as the ONNX file alone says
    which it takes. Where both have some, the new ones are there twice, and an ONNX file that
    names the copy is at the path while the weights are exchanged.
    """
    new, old = data_file(made), data_file(target)
    if not new.exists():
        return [Move(made, target), *([Move(None, old)] if old.exists() else [])]
    if not old.exists():
        return [Move(new, old), Move(made, target)]
    # Named after the workplace, so that no other export takes the same.
    between = target.with_name(f"{made.parent.name}.data")
    # A copy, as onnx refuses to read weights from a file that has two names.
    shutil.copyfile(new, made.with_name(between.name))
    meanwhile = made.with_name("meanwhile.onnx")
    model = read(made)
    for each in _locations(model):
        each.value = between.name
    onnx.save(model, str(meanwhile))
    return [
        Move(made.with_name(between.name), between),
        Move(meanwhile, target),
        Move(None, old),
        Move(new, old),
        Move(made, target),
        Move(None, between),
    ]


def _locations(model: onnx.ModelProto) -> Iterator[onnx.StringStringEntryProto]:
    """Yield the entries of a model that name a second file."""
    for graph in subgraphs(model.graph):
        for tensor in graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                yield from (each for each in tensor.external_data if each.key == _LOCATION)
