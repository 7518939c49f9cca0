"""Some of the ways of `make training`, and that its checks find what they are there to find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_dropouts as kd

FOLDER = Path(__file__).parents[2] / "benchmarks" / "training"


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import subject

    return subject


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train_on_batch", "goes on to the same bits"])
def test_a_way_trains_draws_and_is_stripped_equal(name: str) -> None:
    command = [sys.executable, str(FOLDER), "--only", name]
    command += ["--backends", keras.backend.backend()]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "1 of 1 ways" in done.stdout


def _trained(subject, rate: float):
    model = subject.compiled(subject.functional(rate), run_eagerly=True)
    x, y = subject.data()
    model.train_on_batch(x, y)
    return model


def test_another_rate_is_found(subject) -> None:
    with pytest.raises(AssertionError, match=r"dropped 0\.7.* instead of 0.25"):
        subject.check(_trained(subject, 0.75), 1)


def test_a_step_too_few_is_found(subject) -> None:
    with pytest.raises(AssertionError, match="the layer counted 1 steps, there were 2"):
        subject.check(_trained(subject, 0.25), 2)


def test_a_mask_that_is_drawn_again_is_found(subject) -> None:
    model = _trained(subject, 0.25)
    drop = subject.layer_of(model, kd.ScheduledDropout)
    drop._step.assign(0)
    model.train_on_batch(*subject.data())
    drop._step.assign(2)
    with pytest.raises(AssertionError, match="1 of 2 calls repeated a mask"):
        subject.check(model, 2)
