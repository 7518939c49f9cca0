"""Tells on TensorFlow what runs around a call of a layer: a trace, its loops, a recomputation."""

from __future__ import annotations

import contextlib
import inspect
import sys
import weakref
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # the public part does not tell about XLA

from keras_dropouts.backends.recomputation import Memory


def is_compiling() -> bool:
    """Return whether PyTorch compiles the Python code that runs: not on TensorFlow."""
    return False


def trace() -> tuple[Any, Any]:
    """Return what is traced now, (None, None) when running eagerly.

    That is the graph of the function, whose loops and branches have graphs of their own, and the
    number of the replica, as one graph holds the calls of several.
    """
    if tf.executing_eagerly():
        return None, None
    context = tf.distribute.get_replica_context()
    replica = None
    if context is not None and context.num_replicas_in_sync > 1:
        replica = tf.get_static_value(context.replica_id_in_sync_group)
    return _graphs()[-1], None if replica is None else int(replica)


def _graphs() -> list[Any]:
    """Return the graph under construction and those around it, up to that of the function."""
    graphs = [tf.compat.v1.get_default_graph()]
    while getattr(graphs[-1], "is_control_flow_graph", False):
        graphs.append(graphs[-1].outer_graph)
    return graphs


def is_compiled_by_xla() -> bool:
    """Return whether XLA compiles the function that is traced now, or one around it."""
    if tf.executing_eagerly():
        return False
    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def outside_inner_traces(variable: Any, pure: bool) -> contextlib.AbstractContextManager[Any]:
    """Build what is inside this block outside of the loops and branches of the traced function."""
    graphs = [] if tf.executing_eagerly() else _graphs()
    return graphs[-1].as_default() if len(graphs) > 1 else contextlib.nullcontext()


def numbered_by_loops(number: int) -> Any:
    """Return a number that is another one in each turn of the loops of the traced function.

    The body of a loop is traced once. Its counter is its first input; that of `tf.vectorized_map`
    is the placeholder in its name scope.
    """
    if tf.executing_eagerly():
        return number
    graphs = _graphs()
    counters = [each.inputs[0] for each in graphs if type(each).__name__ == "WhileBodyFuncGraph"]
    before, mapped, _ = f"{graphs[0].get_name_scope()}/".rpartition("loop_body/")
    if mapped:
        name = f"{before}{mapped}PlaceholderWithDefault"
        names = {each.name for each in graphs[0].get_operations()}
        counters += [graphs[0].get_operation_by_name(name).outputs[0]] if name in names else []
    numbered: Any = number
    for counter in counters:
        numbered = tf.cast(numbered, tf.int32) * _SPREAD + tf.cast(counter, tf.int32) + 1
    return numbered


_SPREAD = 0x9E3779B1 - 2**32  # odd, so that no two turns have the same number
_RECOMPUTING = inspect.unwrap(tf.recompute_grad).__code__.co_filename
# For the first tensor that a run of recomputed code was given, the memories by `id` of all that it
# was given: what TensorFlow itself keeps for the run.
_memories: dict[int, tuple[Any, dict[int, Memory]]] = {}


def recomputations() -> list[tuple[Memory, Any]]:
    """Return the runs of `tf.recompute_grad` under way, the innermost first.

    Each is its memory, and None in the forward pass or, in a recomputation, what tells that one
    from the next. They are found on the stack of Python's calls, as TensorFlow has no other sign.
    """
    found: list[tuple[Memory, Any]] = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_name.startswith("inner") and code.co_filename == _RECOMPUTING:
            known = frame.f_locals
            if code.co_name == "inner":
                found.append((_memory(known["args"]), None))
            elif code.co_name == "inner_recompute_grad":
                found.append((_memory(known["args"]), weakref.ref(known["t"])))
        frame = frame.f_back
    return found


def _memory(arguments: tuple[Any, ...]) -> Memory:
    first = next((each for each in tf.nest.flatten(arguments) if tf.is_tensor(each)), None)
    if first is None:
        return Memory()
    key = id(first)
    if key not in _memories:
        held = weakref.ref(first, lambda _: _memories.pop(key, None))
        _memories[key] = (held, {})
    return _memories[key][1].setdefault(id(arguments), Memory())


def in_backward_pass() -> bool:
    """Return whether a backward pass is running: TensorFlow does not tell."""
    return False
