"""Tests of keras_tuner_rates with KerasTuner itself: names stay the same from trial to trial."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

import keras_dropouts as kd

layers = keras.layers


def _model() -> keras.Model:
    ramp = kd.schedules.LinearRamp(0.0, 0.5, 10)
    stack = [
        keras.Input((4,)),
        kd.ScheduledDropout(ramp),
        layers.Dropout(0.1),
        kd.ConcreteDropout(layers.Dense(4), 0.3, data_size=8),
        layers.Dense(1),
    ]
    return keras.Sequential(stack)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what KerasTuner saves with
@pytest.mark.parametrize("by_layer", [False, True])
def test_a_search_sets_the_rates(by_layer: bool, tmp_path: Path) -> None:
    seen: list[list[float]] = []

    def build(hp: Any) -> keras.Model:
        model = _model()
        found = kd.tuning.keras_tuner_rates(hp, model, 0.1, 0.4, by_layer=by_layer)
        rates = [row.rate for row in kd.inspect_dropout(model)]
        np.testing.assert_allclose(rates[:2], list(found.values()), rtol=1e-6, atol=0.0)
        assert rates[2] == 0.3
        seen.append(rates[:2])
        model.compile("adam", "mse")
        return model

    tuner = keras_tuner.RandomSearch(
        build, objective="val_loss", max_trials=2, seed=1, directory=tmp_path, project_name="rates"
    )
    x = np.ones((8, 4), "float32")
    tuner.search(x, x[:, :1], epochs=1, validation_data=(x, x[:, :1]), verbose=0)
    names = {"dropout_rate_0_ScheduledDropout", "dropout_rate_1_Dropout"}
    names = names if by_layer else {"dropout_rate"}
    best = tuner.get_best_hyperparameters(2)
    assert [set(each.values) for each in best] == [names] * 2
    assert len({tuple(rates) for rates in seen}) >= 2
    assert all(0.1 <= rate <= 0.4 for rates in seen for rate in rates)
    assert any(abs(one - two) > 1e-6 for one, two in seen) == by_layer


def test_bad_input() -> None:
    hp, model = keras_tuner.HyperParameters(), _model()
    bad = [
        ({"hp": 3}, "`hp`. Expected a keras_tuner.HyperParameters"),
        ({"model": 3}, "`model`. Expected a keras.Model"),
        ({"low": -0.1}, "`low`. Expected a number from 0 to 1"),
        ({"high": 0.0}, "`high`. Expected a number above `low`"),
        ({"by_layer": 3}, "`by_layer`. Expected True or False"),
    ]
    for given, message in bad:
        with pytest.raises(ValueError, match=re.escape(message)):
            kd.tuning.keras_tuner_rates(**{"hp": hp, "model": model, **given})
    plain = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="whose rate can be set and is not learned"):
        kd.tuning.keras_tuner_rates(hp, plain)
