"""Looks for random, writing and custom operations in all subgraphs of a .tflite file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keras_dropouts_export.formats.finding import Finding, Findings
from keras_dropouts_export.formats.format import unreadable
from keras_dropouts_export.formats.litert.litert_runtime import interpreter
from keras_dropouts_export.formats.saved_model.saved_model_audit import RANDOM, WRITES

RANDOM_BUILTINS = frozenset(
    ["MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM", "STABLEHLO_RNG_BIT_GENERATOR"]
)
WRITING_BUILTINS = frozenset(["ASSIGN_VARIABLE", "VAR_HANDLE"])
# Not operations of LiteRT: whoever loads the file has to bring them.
_FOREIGN = frozenset(["CUSTOM", "DELEGATE", "STABLEHLO_CUSTOM_CALL"])
_FLEX = "Flex"  # before the name of an operation that TensorFlow itself computes


def findings(path: Path) -> Findings:
    """Return what a .tflite file holds that must not be served.

    Raises:
        ValueError: if the file is not a LiteRT model, or is cut off.
    """
    try:
        operations = list(_operations(path))
    except (struct.error, IndexError) as error:  # older interpreters take files that are cut off
        raise unreadable(path, ".tflite file", error) from error
    return Findings(
        operations=len(operations),
        random_ops=tuple(
            found
            for code, _, found in operations
            if code in RANDOM_BUILTINS or (code in _FOREIGN and RANDOM.search(_plain(found.op)))
        ),
        state_writes=tuple(
            found
            for code, writes, found in operations
            if writes or (code in _FOREIGN and WRITES.search(_plain(found.op)))
        ),
        unknown_ops=tuple(found for code, _, found in operations if not code or code in _FOREIGN),
    )


def _plain(op: str) -> str:
    return op.removeprefix(_FLEX)


def _operations(path: Path) -> Iterator[tuple[str, bool, Finding]]:
    """Yield the builtin code of each operation ("" if unknown), whether it writes, and itself."""
    schema, model = _load(path)
    names = {
        value: name
        for name, value in vars(schema.BuiltinOperator).items()
        if isinstance(value, int)
    }
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        where = f"subgraph {_text(graph.Name()) or number}"
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            kind = model.OperatorCodes(operator.OpcodeIndex())
            # Codes above 126 do not fit into the older field.
            value = max(kind.BuiltinCode(), kind.DeprecatedBuiltinCode())
            code = names.get(value, "")
            label = _text(kind.CustomCode()) or code or f"operation {value}"
            output = operator.Outputs(0) if operator.OutputsLength() else -1
            name = _text(graph.Tensors(output).Name()) if output >= 0 else ""
            writes = code in WRITING_BUILTINS or _keeps_state(graph, operator)
            yield code, writes, Finding(label, name, where)


def _keeps_state(graph: Any, operator: Any) -> bool:
    """Return whether an operation has a tensor that keeps its value from run to run."""
    indices = [operator.Inputs(i) for i in range(operator.InputsLength())]
    return any(graph.Tensors(i).IsVariable() for i in indices if i >= 0)  # -1: left out


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def _load(path: Path) -> tuple[Any, Any]:
    """Return the module of LiteRT's schema, and the model in a file.

    Raises:
        ValueError: if the file is not a LiteRT model, or is cut off.
    """
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise unreadable(path, ".tflite file", "it does not begin as a LiteRT model does")
    interpreter(path)  # it checks every offset; the reader below checks none
    own = "ai_edge_litert.schema_py_generated"
    home = own if find_spec("ai_edge_litert") else "tensorflow.lite.python.schema_py_generated"
    schema = import_module(home)
    return schema, schema.Model.GetRootAs(data, 0)
