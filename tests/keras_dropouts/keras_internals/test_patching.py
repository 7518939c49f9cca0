"""Tests that functions of Keras are replaced for one thread alone, and restored after it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts.keras_internals.patching import replaced_in_thread


def _shout(original: Any) -> Any:
    return lambda word: original(word).upper()


def test_replaced_in_this_thread_and_put_back() -> None:
    owner = SimpleNamespace(say=lambda word: f"{word}!")
    before = owner.say
    with replaced_in_thread(owner, "say", _shout):
        assert owner.say("a") == "A!"
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(owner.say, "a").result() == "a!"
        with replaced_in_thread(owner, "say", lambda original: lambda word: original(word) + "?"):
            assert owner.say("a") == "A!?"
    assert owner.say is before


def test_put_back_after_an_error() -> None:
    owner = SimpleNamespace(say=str)
    with pytest.raises(KeyError), replaced_in_thread(owner, "say", _shout):
        raise KeyError("a")
    assert owner.say is str


def test_two_threads_each_replace_it_for_themselves() -> None:
    owner = SimpleNamespace(say=lambda word: word)
    before, seen = owner.say, []

    def other() -> None:
        with replaced_in_thread(owner, "say", _shout):
            seen.append(owner.say("a"))
        seen.append(owner.say("a"))

    with replaced_in_thread(owner, "say", lambda original: lambda word: original(word) * 2):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)
        assert owner.say("a") == "aa"
    assert seen == ["A", "a"]
    assert owner.say is before


def test_the_last_thread_to_leave_puts_it_back() -> None:
    owner = SimpleNamespace(say=lambda word: word)
    before, inside, leave = owner.say, threading.Event(), threading.Event()

    def other() -> None:
        with replaced_in_thread(owner, "say", _shout):
            inside.set()
            assert leave.wait(10)

    with replaced_in_thread(owner, "say", _shout):
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(10)
    assert owner.say is not before
    assert owner.say("a") == "a"
    leave.set()
    thread.join(10)
    assert owner.say is before


def test_predictions_in_two_threads_leave_keras_as_it_was() -> None:
    before = keras.layers.Layer.__call__
    layers = [keras.Input((8,)), kd.ScheduledDropout(0.5), keras.layers.Dense(2)]
    models = [keras.models.clone_model(keras.Sequential(layers)) for _ in range(2)]
    x = np.ones((4, 8), "float32")

    def predict(model: keras.Model) -> np.ndarray:
        return np.stack(
            [kd.mc_predict(model, x, samples=n, seed=1, verbose=False).std for n in (2, 3, 4, 5)]
        )

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(predict, models))
    for model, spread in zip(models, found, strict=True):
        np.testing.assert_array_equal(spread, predict(model))
    assert keras.layers.Layer.__call__ is before
