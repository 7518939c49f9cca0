"""Looks for random, writing and unknown operations in all functions that a SavedModel can call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from keras_dropouts_export.formats.finding import Finding, Findings
from keras_dropouts_export.formats.format import unreadable

RANDOM = re.compile(
    r"Random(?!Dataset)|TruncatedNormal|Multinomial|^Rng|StatefulUniform|StatefulStandardNormal"
    r"|Bernoulli|NonDeterministicInts|CandidateSampler|^SampleDistorted"
)
WRITES = re.compile(r"^Assign|^Resource(Scatter|Apply|Sparse|StridedSliceAssign)|^Scatter(?!Nd)")
# What reaches outside the graph: files, Python, the screen, the clock, datasets, other machines.
HOST = re.compile(
    r"Dataset|Iterator|Queue|Reader|SummaryWriter|Summary(Db|File)Writer|^Write\w*Summary"
    r"|^(Collective|Nccl|Infeed|Outfeed|ReadFile|WriteFile|MatchingFiles|Timestamp|PyFunc"
    r"|EagerPyFunc|MergeV2Checkpoints|RecordInput|ImportEvent|LoadAndRemapMatrix|RemoteCall"
    r"|FileSystem)|^_?(Host)?(Send|Recv)$|^Print(V2)?$|^(Distributed)?Save(V2|Slices)?$"
    r"|^Restore(V2|Slice)?$"
)
SEED_VARIABLE = re.compile(r"seed_generator_state")
# TensorFlow keeps its own functions to write and read weights beside the model's.
_SAVING = re.compile(r"__inference__traced_(save|restore)")


def findings(path: Path) -> Findings:
    """Return what a SavedModel holds that must not be served."""
    graph = load_definition(path).meta_graphs[0]
    functions = {each.signature.name: each for each in graph.graph_def.library.function}
    found = _sorted_out(_served(graph, functions), functions)
    seeds = tuple(
        Finding("Variable", each.variable.name, "the saved variables")
        for each in graph.object_graph_def.nodes
        if SEED_VARIABLE.search(each.variable.name)
    )
    return replace(found, random_ops=found.random_ops + seeds)


def reachable_operations(path: Path) -> set[str]:
    """Return the types of all operations that a SavedModel can run."""
    graph = load_definition(path).meta_graphs[0]
    functions = {each.signature.name: each for each in graph.graph_def.library.function}
    return {each.op for each in _served(graph, functions)}


def _served(graph: Any, functions: dict[str, Any]) -> list[Finding]:
    roots = [
        name
        for name in graph.object_graph_def.concrete_functions
        if name in functions and not _SAVING.search(name)
    ]
    return list(_called(dict.fromkeys(roots, ""), functions))


def graph_findings(graph: Any) -> Findings:
    """Return what a traced graph of TensorFlow holds that must not be served, likewise."""
    definition = graph.as_graph_def()
    functions = {each.signature.name: each for each in definition.library.function}
    nodes = [
        Finding(node.op, node.name, "the traced graph")
        for node in definition.node
        if node.op not in functions
    ]
    callers = {
        name: node.name
        for node in definition.node
        for name in (node.op, *_functions_in(node))
        if name in functions
    }
    nodes += _called(callers, functions)
    return _sorted_out(nodes, functions)


def _sorted_out(nodes: list[Finding], functions: dict[str, Any]) -> Findings:
    return Findings(
        operations=len(nodes),
        random_ops=tuple(each for each in nodes if RANDOM.search(each.op)),
        state_writes=tuple(each for each in nodes if WRITES.search(each.op)),
        unknown_ops=tuple(each for each in nodes if _unknown(each.op, functions)),
        host_ops=tuple(each for each in nodes if HOST.search(each.op)),
    )


def load_definition(path: Path) -> Any:
    """Return the message in saved_model.pb.

    Raises:
        ValueError: if it cannot be read, or holds no graph.
    """
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((path / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise unreadable(path, "SavedModel", error) from error
    if not model.meta_graphs or not model.meta_graphs[0].object_graph_def.nodes:
        raise unreadable(path, "SavedModel", "it holds no graph")
    return model


def _called(callers: Mapping[str, str], functions: dict[str, Any]) -> Iterator[Finding]:
    """Yield the operations in functions and in those that they call, each function once.

    callers: the functions to begin with, and the names of the nodes that call them, "" for none.
    """
    waiting, seen = list(callers.items()), set(callers)
    while waiting:
        name, caller = waiting.pop()
        where = f"function {name}, called by {caller!r}" if caller else f"function {name}"
        for node in functions[name].node_def if name in functions else ():
            if node.op not in functions:
                yield Finding(node.op, node.name, where)
            called = {node.op, *_functions_in(node)} & functions.keys()
            waiting += [(each, caller or node.name) for each in sorted(called - seen)]
            seen |= called


def _functions_in(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (each.name for each in value.list.func)


def _unknown(op: str, functions: dict[str, Any]) -> bool:
    return op not in functions and op_def_registry.get(op) is None
