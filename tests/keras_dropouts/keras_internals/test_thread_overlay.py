"""Tests of attributes that one thread alone sees."""

import threading

import keras
import pytest

from keras_dropouts.keras_internals.thread_overlay import overlaid_in_thread


def elsewhere(function):
    """Return what a function returns in another thread."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


class Base:
    shared = "of the class"

    @property
    def twice(self):
        return 2 * self.number

    @twice.setter
    def twice(self, value):
        self.number = value / 2


class Thing(Base):
    def __init__(self):
        self.number = 3


def test_this_thread_sees_the_value_and_others_do_not():
    thing, other = Thing(), Thing()
    with overlaid_in_thread([(thing, "number", 7), (thing, "shared", "mine"), (thing, "twice", 0)]):
        assert (thing.number, thing.shared, thing.twice) == (7, "mine", 0)
        assert (other.number, other.shared, other.twice) == (3, "of the class", 6)
        assert elsewhere(lambda: (thing.number, thing.shared, thing.twice)) == (
            3,
            "of the class",
            6,
        )
        assert Thing.shared == "of the class"
    assert (thing.number, thing.shared, thing.twice) == (3, "of the class", 6)
    assert vars(thing) == {"number": 3}
    assert "number" not in vars(Thing)
    assert "shared" not in vars(Thing)
    assert isinstance(vars(Base)["twice"], property)


def test_what_this_thread_writes_is_gone_and_what_others_write_stays():
    thing = Thing()
    with overlaid_in_thread([(thing, "number", 7)]):
        thing.number = 8
        assert thing.number == 8
        elsewhere(lambda: setattr(thing, "number", 5))
        assert thing.number == 8
        assert elsewhere(lambda: thing.twice) == 10
    assert thing.number == 5


def test_blocks_can_be_nested_and_end_by_an_error():
    thing = Thing()

    def fail():
        with overlaid_in_thread([(thing, "number", 2), (thing, "missing", 3)]):
            assert (thing.number, thing.missing) == (2, 3)
            raise KeyError

    with overlaid_in_thread([(thing, "number", 1)]):
        with pytest.raises(KeyError):
            fail()
        assert thing.number == 1
        with pytest.raises(AttributeError, match="missing"):
            _ = thing.missing
    assert thing.number == 3


def test_two_threads_each_have_their_own():
    thing, barrier, found = Thing(), threading.Barrier(2), {}

    def run(value):
        for _ in range(50):
            with overlaid_in_thread([(thing, "number", value)]):
                barrier.wait()
                found.setdefault(value, set()).add(thing.number)
                barrier.wait()

    threads = [threading.Thread(target=run, args=(value,)) for value in (10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {10: {10}, 20: {20}}
    assert thing.number == 3
    assert "number" not in vars(Thing)


def test_rates_of_layers_of_keras():
    layer = keras.layers.Dropout(0.5)
    with overlaid_in_thread([(layer, "rate", 0.0)]):
        assert layer.rate == 0.0
        assert elsewhere(lambda: layer.rate) == 0.5
        layer.rate = 0.25
        assert keras.layers.Dropout(0.75).rate == 0.75
    assert layer.rate == 0.5
    layer.rate = 0.125
    assert layer.rate == 0.125
