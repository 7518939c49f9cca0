"""Leaves out of a traced function what only the losses of `add_loss` need: they are no output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.eager.wrap_function import VariableHolder, WrappedFunction

from keras_dropouts.keras_internals.patching import replaced_in_thread

# Operations that TensorFlow runs whether their values are used or not, and that do nothing else
# than to give a value, or to stop at a wrong one.
_HARMLESS = ("Assert", "Empty", "NoOp", "ReadVariableOp")


@contextmanager
def losses_noted() -> Iterator[list[Any]]:
    """Yield a list that each tensor given to `add_loss` by this thread is put into."""
    noted: list[Any] = []

    def noting(original: Callable[..., Any]) -> Callable[..., Any]:
        def add_loss(self: Any, loss: Any) -> Any:
            noted.extend(x for x in keras.tree.flatten(loss) if tf.is_tensor(x))
            return original(self, loss)

        return add_loss

    with replaced_in_thread(keras.layers.Layer, "add_loss", noting):
        yield noted


def without_losses(concrete: Any, losses: Iterable[Any]) -> Any:
    """Return a concrete function without the operations that only `losses` need.

    It is returned as it is where the runtime leaves them out by itself: where none of them is of a
    kind that runs for what it does, such as a loop. So is a function that writes or draws elsewhere
    as well, which the audit is to see whole.
    """
    graph = concrete.graph
    ends = [_before_return(each) for each in concrete.outputs]
    needed = _ancestors(each.op for each in ends)
    own = [each.op for each in losses if getattr(each, "graph", None) is graph]
    unneeded = _ancestors(own) - needed
    others = set(graph.control_outputs) - unneeded - needed
    if unneeded.isdisjoint(graph.control_outputs) or any(x.type not in _HARMLESS for x in others):
        return concrete
    whole = WrappedFunction(graph, VariableHolder(share_variables=True))
    count = len(concrete.inputs) - len(concrete.captured_inputs)
    pruned = whole.prune(concrete.inputs[:count], ends)
    for new, old in zip(pruned.outputs, concrete.outputs, strict=True):
        new.set_shape(old.shape)  # which a layer may have set, as Keras's recurrent layers do
    return pruned


def _before_return(tensor: Any) -> Any:
    """Return the tensor that an output is a copy of: the copy waits for all that has to run."""
    return tensor.op.inputs[0] if tensor.op.type == "Identity" else tensor


def _ancestors(operations: Iterable[Any]) -> set[Any]:
    """Return the operations and all that must run before them."""
    waiting, found = list(operations), set()
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [each.op for each in operation.inputs]
            waiting += operation.control_inputs
    return found
