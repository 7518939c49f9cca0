"""Decides which training step a call of a layer belongs to, and which call of that step it is.

A mask is a function of the layer's key, its step, the number of the call within that step and the
index within the mask. The first call of a step moves the layer's step on by one; further calls
of the same step find it moved and draw by their number. Which calls are one step is known from
what runs around them, the first of these that there is:

1. a function that is traced (`tf.function` and with it `fit`, `jax.jit`, `jax.grad`): each time
   that it runs is one step, with all loops and branches in it;
2. `training_step()`, and the train step of `fit` and `train_on_batch` where it is not traced;
3. the outermost call of a Keras layer, mostly that of the model.

A call in a backward pass is a recomputation of an earlier one, and no call of its own.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from keras_dropouts import backends
from keras_dropouts.backends.recomputation import Draw
from keras_dropouts.keras_internals.call_stack import call_context, stateless_scope
from keras_dropouts.keras_internals.train_functions import run_train_steps_within
from keras_dropouts.types import Tensor

_open = threading.local()
# For each unit that is one step, the calls of each layer in it so far.
_calls: weakref.WeakKeyDictionary[Any, dict[Any, _Calls]] = weakref.WeakKeyDictionary()


class _Step:
    """A training step that is open in this thread."""


@dataclass
class _Calls:
    """How often a layer was called in a step.

    found, left: the value of its step before and after the first call, as weak references. They
    are asked where a pure function runs: only the values that it is handed tell whether the step
    goes on or another one begins.
    """

    number: int
    found: Any
    left: Any


@contextmanager
def training_step() -> Iterator[None]:
    """Make one training step of all that is called inside the block.

    A layer of this package that is called several times in one training step draws another mask
    in each call, and its step, by which schedules go, moves on by one. What one step is, is known
    inside `fit` and `train_on_batch`, inside a function that is traced (`tf.function`, `jax.jit`,
    `jax.grad`) and inside one call of a model. In a training loop that is written by hand and runs
    eagerly, each outermost call of a layer or model is a step. Where one step calls a model
    several times, as a siamese network or a consistency loss does, put this around the calls.

    Example:
        >>> import numpy as np
        >>> import keras_dropouts as kd
        >>> layer = kd.ScheduledDropout(0.5, seed=1)
        >>> x = np.ones((4, 8), "float32")
        >>> with kd.training_step():
        ...     one, two = layer(x, training=True), layer(x, training=True)
        >>> bool(np.array_equal(one, two)), layer.step
        (False, 1)
    """
    before = getattr(_open, "step", None)
    _open.step = before or _Step()  # a step within a step is a part of it
    try:
        yield
    finally:
        _open.step = before


run_train_steps_within(training_step)


def next_draw(layer: Any, variable: Any) -> Draw:
    """Return the step and the number of the call that a layer makes now, and count it.

    variable: that of the layer's step. The step is an int32 scalar tensor, the number an int or,
    inside a loop that the backend runs, an int32 scalar tensor.
    """
    if backends.is_compiling():  # no compiler follows what is noted here: each call is a step
        return _move_on(variable, backends.read(variable)), 0
    around = backends.recomputations()  # the innermost first
    forward = []
    draw = None
    for memory, run in around:
        if run is not None:
            draw = memory.again(layer, run)
            break
        forward.append(memory)
    if draw is None and backends.in_backward_pass():
        draw = (backends.read(variable) - 1, 0)  # recomputed by a way that is not known
    if draw is None:
        draw = _count(layer, variable)
    for memory in forward:
        memory.note(layer, draw)
    return draw


def _count(layer: Any, variable: Any) -> Draw:
    scope = stateless_scope(variable)
    trace, replica = backends.trace()
    unit = getattr(_open, "step", None) or call_context()
    units = [each for each in (scope, trace) if each is not None] or [unit]
    units = [each for each in units if each is not None]
    key = (id(layer), replica)
    with backends.outside_inner_traces(variable, scope is not None):
        value = variable.value if scope is not None else backends.read(variable)
        calls = None
        for each in units:
            calls = _calls.get(each, {}).get(key)
            if calls is not None and (scope in (None, each) or _goes_on(calls, value)):
                break
            calls = None
        if calls is None:
            calls = _Calls(0, None, None)
        if calls.number == 0 or (scope is not None and value is calls.found()):
            step = _move_on(variable, value)
            if scope is not None:
                calls.found, calls.left = weakref.ref(value), weakref.ref(variable.value)
        else:
            step = value - 1
    number = backends.numbered_by_loops(calls.number)
    calls.number += 1
    for each in units:
        _calls.setdefault(each, {})[key] = calls
    return step, number


def _goes_on(calls: _Calls, value: Tensor) -> bool:
    return calls.found is not None and (value is calls.left() or value is calls.found())


def _move_on(variable: Any, value: Tensor) -> Tensor:
    """Add 1 to a step, and return what it was."""
    after = value + 1
    variable.assign(after)
    return after - 1  # not `value`: PyTorch's variable changes that
