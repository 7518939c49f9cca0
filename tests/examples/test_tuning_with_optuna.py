"""Runs the example that searches with Optuna, in a small size."""

import importlib.util
from pathlib import Path

import optuna
import pytest

PATH = Path(__file__).parents[2] / "examples" / "tuning_with_optuna.py"


@pytest.mark.slow
def test_trials_are_reported_pruned_and_chosen_from(capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("tuning_with_optuna", PATH)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    study = example.main(trials=5, epochs=3)
    states = [trial.state for trial in study.trials]
    assert len(states) == 5
    assert set(states) <= {optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED}
    assert study.trials[0].params == {"block_rate": 0.0, "unit_rate": 0.0}
    assert study.best_value <= study.trials[0].value
    assert all(trial.intermediate_values for trial in study.trials)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["best", "none", "best"]
