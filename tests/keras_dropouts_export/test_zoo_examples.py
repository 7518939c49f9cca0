"""A part of the zoo of public examples by every way out of training; `make zoo` runs the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import leaving
from keras_io import ZOO
from keras_io.example import Example

# One or two of each kind, and those that found something. It has a limit of time.
PART = (
    *("word_tagger", "switch_transformer", "text_from_strings", "translation_transformer"),
    *("subclassed_translator", "shifted_windows", "variational_autoencoder", "denoiser"),
    *("encoder_that_draws_in_serving", "triplets", "tickets", "cited_papers", "molecules"),
    *("grid_of_boxes", "letters_of_a_line", "who_speaks", "space_of_features", "decision_forest"),
    *(
        "attention_along_edges",
        "next_film",
        "state_space",
        "finer_pictures",
        "film_by_frames",
        "hours_that_go_on",
        "rays",
    ),
)


# What is not right yet, and why; a test that passes unexpectedly fails.
OPEN = {}


def _marked(name: str) -> Any:
    marks = [pytest.mark.xfail(reason=OPEN[name], strict=True)] if name in OPEN else []
    return pytest.param(name, marks=marks)


# keras warns of masks that Flatten and its like lose.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", [_marked(name) for name in PART])
def test_example(name: str, tmp_path: Path) -> None:
    found = leaving.outcomes(ZOO[name], tmp_path)
    assert not [each for each in found if not each.expected]


def test_the_zoo_is_as_large_as_is_said() -> None:
    assert len(ZOO) >= 130


def test_two_batches_of_a_trial_differ_in_every_dynamic_size() -> None:
    made = leaving.trial(ZOO["word_tagger"])
    (one,), (two,) = made.batches
    assert one.shape == (2, 8)
    assert two.shape == (5, 13)


def test_an_artifact_of_another_model_is_found_to_be_wrong(tmp_path: Path) -> None:
    example = ZOO["digits_convnet"]
    made = leaving.trial(example)
    other = leaving.Trial(
        made.model, made.given, made.batches, [[x + 1 for x in w] for w in made.wanted], None, True
    )
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        leaving._served(other, leaving.kde.export_onnx, tmp_path / "m.onnx")


def test_a_refusal_that_nobody_expects_is_not_expected(tmp_path: Path) -> None:
    example = ZOO["text_from_strings"]
    unnamed = Example(example.make, draw=example.draw)
    by_way = {each.way: each for each in leaving.outcomes(unnamed, tmp_path)}
    assert by_way["saved_model"].status == "right"
    assert (by_way["onnx"].status, by_way["onnx"].expected) == ("refused", False)
    assert not np.any([each.status == "raw error" for each in by_way.values()])
