"""Damages files at random: bytes, archives, ONNX graphs, XML, and folders of such files."""

from __future__ import annotations

import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

Damage = Callable[[bytes, random.Random], bytes]


def truncated(data: bytes, chance: random.Random) -> bytes:
    """Cut off the end."""
    return data[: chance.randrange(len(data))]


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Change a few bytes."""
    found = bytearray(data)
    for _ in range(chance.choice([1, 2, 8, 64])):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


def zeroed(data: bytes, chance: random.Random) -> bytes:
    """Overwrite a range with zeros, as a disk does that lost a block."""
    begin = chance.randrange(len(data))
    size = min(chance.choice([16, 512, 4096]), len(data) - begin)
    return data[:begin] + bytes(size) + data[begin + size :]


def shuffled(data: bytes, chance: random.Random) -> bytes:
    """Repeat, leave out or insert a part."""
    one, other = sorted(chance.randrange(len(data)) for _ in range(2))
    middle = chance.choice([data[one:other] * 2, b"", chance.randbytes(64)])
    return data[:one] + middle + data[other:]


def replaced(data: bytes, chance: random.Random) -> bytes:
    """Return something else altogether."""
    other = [b"", b"\0", b"PK\x03\x04", chance.randbytes(len(data)), b"<html></html>", b"{" * 9999]
    return chance.choice(other)


BYTES: tuple[Damage, ...] = (truncated, flipped, flipped, zeroed, shuffled, replaced)


def any_bytes(data: bytes, chance: random.Random) -> bytes:
    """Damage bytes in one of the ways above."""
    return chance.choice(BYTES)(data or b"\0", chance)


def archive(data: bytes, chance: random.Random) -> bytes:
    """Damage one file inside an archive, and close the archive as a whole one."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = {each.filename: old.read(each) for each in old.infolist()}
    name = chance.choice([*members, "config.json"])
    how = chance.randrange(4)
    if name.endswith(".json") and how < 2:
        members[name] = _other_json(members[name], chance)
    elif how == 2:
        del members[name]
    elif how == 3 and chance.random() < 0.3:
        members[chance.choice(["../out", "/tmp/out", "assets/../../out", "big"])] = bytes(2**28)
    else:
        members[name] = any_bytes(members[name], chance)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for each, content in members.items():
            new.writestr(each, content)
    return out.getvalue()


_VALUES = (None, -1, 0, 2**31, 2**40, 1e308, "", "a\x1b[31m[/b]\u202e", [], {}, [[[]]], True)


def _other_json(text: bytes, chance: random.Random) -> bytes:
    """Change one value of a JSON text, at any depth."""
    root = json.loads(text)
    places = list(_places(root))
    if not places:
        return text
    holder, key = chance.choice(places)
    if isinstance(holder, dict) and chance.random() < 0.3:
        del holder[key]
    else:
        holder[key] = chance.choice(_VALUES)
    return json.dumps(root).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


def onnx_graph(data: bytes, chance: random.Random) -> bytes:
    """Change the graph of an ONNX file, so that it can be read and does something else."""
    model = onnx.load_model_from_string(data)
    graph = model.graph
    node = chance.choice(graph.node)
    how = chance.randrange(9)
    if how == 0:
        node.op_type = chance.choice(["Loop", "If", "ConstantOfShape", "Nonsense", "MatMul", "Exp"])
    elif how == 1 and node.input:
        node.input[chance.randrange(len(node.input))] = chance.choice(["", "nothing", "a\x1b[2J"])
    elif how == 2 and graph.initializer:
        tensor = chance.choice(graph.initializer)
        tensor.dims[:] = [chance.choice([0, -1, 2**20, 2**31, 2**62])] * chance.randrange(1, 4)
    elif how == 3 and graph.initializer:
        tensor = chance.choice(graph.initializer)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        place = chance.choice(["/etc/passwd", "../m.keras", "/dev/zero", "missing", "m\n\x1b[2J"])
        tensor.external_data.add(key="location", value=place)
    elif how == 4 and chance.random() < 0.3:
        _endless(model)
    elif how == 5:
        size = onnx.numpy_helper.from_array(np.array([2**34], np.int64), "size")
        graph.initializer.append(size)
        graph.node.insert(0, onnx.helper.make_node("ConstantOfShape", ["size"], ["huge"]))
        graph.node.append(onnx.helper.make_node("ReduceSum", ["huge"], ["sum"]))
        graph.output[0].name = "sum"
    elif how == 6:
        del model.opset_import[:]
    elif how == 7:
        model.metadata_props.add(key="keras_dropouts.monte_carlo", value=chance.choice(["", "{}"]))
    else:
        del graph.node[chance.randrange(len(graph.node)) :]
    return bytes(model.SerializeToString())


def _endless(model: onnx.ModelProto) -> None:
    """Let the first output come from a loop that never ends."""
    helper, kinds = onnx.helper, onnx.TensorProto
    output = model.graph.output[0]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Identity", ["value"], ["same"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", kinds.INT64, []),
            helper.make_tensor_value_info("go", kinds.BOOL, []),
            helper.make_tensor_value_info("value", output.type.tensor_type.elem_type, None),
        ],
        [
            helper.make_tensor_value_info("on", kinds.BOOL, []),
            helper.make_tensor_value_info("same", output.type.tensor_type.elem_type, None),
        ],
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "always"))
    loop = helper.make_node("Loop", ["", "always", output.name], ["endless"], body=body)
    model.graph.node.append(loop)
    output.name = "endless"


def xml(data: bytes, chance: random.Random) -> bytes:
    """Change one value of an XML file, or put an entity into it that grows without bound."""
    text = data.decode()
    if chance.random() < 0.1:
        entities = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(9))
        head = f'<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a0 "boom">{entities}]>'
        return (head + "<net>&a9;</net>").encode()
    parts = text.split('"')
    number = chance.randrange(len(parts) // 2) * 2 + 1
    parts[number] = chance.choice(["", "-1", "0", "9" * 12, "nonsense", "f64", "&#27;[31m"])
    return '"'.join(parts).encode()


def in_folder(folder: Path, chance: random.Random) -> None:
    """Damage one file of a folder, or take it away, or put something else in its place."""
    path = chance.choice(sorted(each for each in folder.rglob("*") if each.is_file()))
    how = chance.randrange(8)
    data = path.read_bytes()
    if how == 0:
        path.unlink()
    elif how == 1:
        path.unlink()
        path.mkdir()
    elif how == 2 and path.parent != folder:
        shutil.rmtree(path.parent)
    else:
        path.write_bytes(any_bytes(data, chance))
