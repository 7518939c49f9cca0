"""Tests of the schedules: every one in the registry passes through the same table."""

import dataclasses
import doctest
import inspect
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropouts import schedules
from keras_dropouts.registry import register, registered
from keras_dropouts.schedules import phases, ramps, serialization


@dataclasses.dataclass(frozen=True)
class Case:
    """A schedule, the rate it should have by its formula, and the steps at which it changes."""

    schedule: schedules.Schedule
    rate: Callable[[int], float]
    begin: int
    end: int


def _linear(step: int) -> float:
    return 0.1 + 0.5 * min(max((step - 20) / 100, 0), 1)


def _cosine(step: int) -> float:
    return 0.6 - 0.5 * (1 - math.cos(math.pi * min(max((step - 20) / 100, 0), 1))) / 2


def _curriculum(step: int) -> float:
    return 0.1 + 0.5 * (1 - math.exp(-4 * max(step - 20, 0) / 100))


def _pieces(step: int) -> float:
    return 0.0 if step < 20 else 0.3 if step < 120 else 1.0


def _early(step: int) -> float:
    return 0.3 if step < 120 else 0.0


def _early_linear(step: int) -> float:
    return 0.3 * (1 - min(max(step, 0) / 120, 1))


def _late(step: int) -> float:
    return 0.0 if step < 20 else 0.3


CASES = [
    Case(schedules.LinearRamp(0.1, 0.6, 100, 20), _linear, 20, 120),
    Case(schedules.CosineRamp(0.6, 0.1, 100, 20), _cosine, 20, 120),
    Case(schedules.CurriculumRamp(0.1, 0.6, 100, 20, sharpness=4), _curriculum, 20, 120),
    Case(schedules.PiecewiseConstant([20, 120], [0.0, 0.3, 1.0]), _pieces, 20, 120),
    Case(schedules.EarlyDropout(0.3, 120), _early, 0, 120),
    Case(schedules.EarlyDropout(0.3, 120, decay="linear"), _early_linear, 0, 120),
    Case(schedules.LateDropout(0.3, 20), _late, 20, 120),
]

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.schedule))


def _steps(case: Case) -> list[int]:
    begin, end = case.begin, case.end
    return [begin - 1, begin, begin + 1, (begin + end) // 2, end - 1, end, end + 1, 10 * end]


def test_every_registered_schedule_is_in_the_table() -> None:
    known = {cls for cls in registered() if issubclass(cls, schedules.Schedule)}
    known = {cls for cls in known if cls.__module__.startswith("keras_dropouts.")}
    assert known == {type(case.schedule) for case in CASES}
    assert {cls.__name__ for cls in known} <= set(schedules.__all__)


@every_case
def test_numbers_follow_the_closed_form(case: Case) -> None:
    for step in _steps(case):
        rate = case.schedule(step)
        assert type(rate) is float
        np.testing.assert_allclose(rate, case.rate(step), atol=1e-15, rtol=1e-14, err_msg=str(step))
        assert rate == case.schedule(np.int64(step)) == case.schedule(float(step))


@every_case
def test_arrays_follow_the_closed_form(case: Case) -> None:
    steps = np.array(_steps(case)).reshape(2, 4)
    rates = case.schedule(steps)
    assert (rates.dtype, rates.shape) == (np.float64, (2, 4))
    expected = [[case.rate(step) for step in row] for row in steps.tolist()]
    np.testing.assert_allclose(rates, expected, atol=1e-15, rtol=1e-14)


# JAX has no int64 unless asked for at its start.
DTYPES = ["int32", "uint16", "float32", *(["int64"] if keras.backend.backend() != "jax" else [])]


def _compiled(schedule: schedules.Schedule, jit_compile: bool) -> Callable[[Any], Any]:
    """Return the schedule as the backend runs it in a training step."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(schedule, jit_compile=jit_compile)
    if keras.backend.backend() == "jax" and jit_compile:
        import jax

        return jax.jit(schedule)
    return schedule


@every_case
@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_graphs_follow_the_closed_form(case: Case, jit_compile: bool) -> None:
    graph = _compiled(case.schedule, jit_compile)
    steps = _steps(case)
    rates = graph(ops.convert_to_tensor(steps, "int32"))
    assert keras.backend.standardize_dtype(rates.dtype) == "float32"
    np.testing.assert_allclose(rates, [case.rate(step) for step in steps], atol=1e-7, rtol=1e-6)
    assert tuple(graph(ops.convert_to_tensor(case.begin, "int32")).shape) == ()


@every_case
@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_and_variables_of_any_dtype_give_float32(case: Case, dtype: str) -> None:
    step = keras.Variable(case.begin, dtype=dtype, trainable=False)
    for given in (step, keras.ops.convert_to_tensor(step)):
        rate = case.schedule(given)
        assert keras.backend.standardize_dtype(rate.dtype) == "float32"
        np.testing.assert_allclose(rate, case.rate(case.begin), atol=1e-7, rtol=1e-6)
    symbolic = case.schedule(keras.KerasTensor((3,), dtype))
    assert (symbolic.shape, symbolic.dtype) == ((3,), "float32")


@every_case
def test_no_digit_is_lost_to_a_narrow_floatx(case: Case) -> None:
    before = keras.config.floatx()
    keras.config.set_floatx("bfloat16")
    try:
        rate = case.schedule(keras.ops.convert_to_tensor(case.begin + 7, "int32"))
    finally:
        keras.config.set_floatx(before)
    np.testing.assert_allclose(rate, case.rate(case.begin + 7), atol=1e-7, rtol=1e-6)


def _at(schedule: schedules.Schedule, steps: list[int]) -> list[float]:
    return [float(schedule(ops.convert_to_tensor(step, "int32"))) for step in steps]


def test_steps_beyond_the_digits_of_float32_are_told_apart() -> None:
    begin = 2**30
    late = schedules.LateDropout(0.3, begin)
    assert _at(late, [begin - 1, begin]) == [0.0, np.float32(0.3)]
    ramp = schedules.LinearRamp(0.0, 1.0, ramp_steps=4, begin_step=begin)
    rates = _at(ramp, [begin + shift for shift in (-1, 0, 1, 2, 4)])
    assert rates == [0.0, 0.0, 0.25, 0.5, 1.0]


@pytest.mark.parametrize("kind", [schedules.LinearRamp, schedules.CosineRamp])
def test_ramps_reach_both_rates_exactly(kind: Any) -> None:
    for initial, final in [(0.1, 0.3), (0.7, 0.1), (0.0, 1.0), (0.3, 0.3)]:
        ramp = kind(initial, final, 1000)
        assert (ramp(0), ramp(1000)) == (initial, final)
        ends = ramp(ops.convert_to_tensor([0, 1000], "int32"))
        np.testing.assert_array_equal(ends, np.array([initial, final], np.float32))


def test_pieces_begin_one_step_before_those_of_keras() -> None:
    ours = schedules.PiecewiseConstant([100], [0.0, 0.5])
    kerass = keras.optimizers.schedules.PiecewiseConstantDecay([100], [0.0, 0.5])
    assert [ours(step) for step in (99, 100, 101)] == [0.0, 0.5, 0.5]
    assert [float(kerass(step)) for step in (99, 100, 101)] == [0.0, 0.0, 0.5]


@every_case
def test_config_round_trip(case: Case) -> None:
    config = json.loads(json.dumps(schedules.serialize(case.schedule)))
    assert config["registered_name"] == f"keras_dropouts>{type(case.schedule).__name__}"
    copy = schedules.deserialize(config)
    assert type(copy) is type(case.schedule)
    assert copy == case.schedule
    assert hash(copy) == hash(case.schedule)
    assert schedules.check_schedule(copy) is copy


@every_case
def test_equal_by_config_only_and_frozen(case: Case) -> None:
    config = case.schedule.get_config()
    rate = next(name for name in config if "rate" in name)
    changed = [0.0, 0.2, 0.9] if rate == "rates" else 0.25
    assert type(case.schedule)(**{**config, rate: changed}) != case.schedule
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(case.schedule, rate, 0.5)


def test_numpy_numbers_become_plain_ones() -> None:
    ramp = schedules.LinearRamp(np.float32(0.0), np.float64(0.5), np.int64(100), np.int32(3))
    assert [type(value) for value in ramp.get_config().values()] == [float, float, int, int]
    pieces = schedules.PiecewiseConstant(np.array([10]), np.array([0.0, 0.5]))
    assert pieces == schedules.PiecewiseConstant((10,), (0, 0.5))


@every_case
def test_plot_draws_the_rates(case: Case) -> None:
    axes = case.schedule.plot()
    steps, rates = axes.get_lines()[0].get_data()
    assert (steps[0], steps[-1]) == (0, math.ceil(1.25 * case.schedule._last_step()))
    np.testing.assert_allclose(rates, [case.rate(step) for step in steps], atol=1e-15, rtol=1e-14)
    assert case.schedule.plot(steps=10**6, ax=axes) is axes
    assert len(axes.get_lines()) == 2
    sys.modules["matplotlib.pyplot"].close(axes.figure)


def test_plot_without_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-dropouts\[plot\]'"):
        CASES[0].schedule.plot()


@pytest.mark.parametrize("argument", [{"steps": 0}, {"steps": 1.5}, {"steps": True}, {"ax": 3}])
def test_plot_refuses_bad_arguments(argument: dict[str, Any]) -> None:
    name = next(iter(argument))
    with pytest.raises(ValueError, match=rf"argument `{name}`\. Expected .* Received: {name}="):
        CASES[0].schedule.plot(**argument)


@pytest.mark.parametrize(
    "step", [math.nan, math.inf, True, "3", None, [1, 2], np.array(["a"]), np.array([True])]
)
@every_case
def test_steps_that_are_none_are_refused(case: Case, step: Any) -> None:
    with pytest.raises(ValueError, match=r"argument `step`\. Expected a finite number"):
        case.schedule(step)


BAD_RATES = [-0.1, 1.1, math.nan, math.inf, True, "0.5", None, [0.5]]
BAD_COUNTS = [-1, 1.5, math.nan, math.inf, True, "5", None, 2**31]
BAD_BOUNDARIES = [[], [5, 5], [6, 5], [0, 5], [-1, 5], [1.5, 5], [True, 5], "ab", 5, None]
BAD_LISTS = [[0.1], [0.1, 0.2], [0.1] * 4, "abc", None, 0.1, *[[0.1, 0.2, x] for x in BAD_RATES]]
BAD_ARGUMENTS = {
    "initial_rate": BAD_RATES,
    "final_rate": BAD_RATES,
    "rate": BAD_RATES,
    "ramp_steps": [0, *BAD_COUNTS],
    "steps": [0, *BAD_COUNTS],
    "begin_step": BAD_COUNTS,
    "sharpness": [0, -1.0, math.nan, math.inf, True, "10", None],
    "boundaries": BAD_BOUNDARIES,
    "rates": BAD_LISTS,
    "decay": ["cosine", None, 1, True, ["linear"]],
}


@every_case
def test_every_bad_argument_is_refused(case: Case) -> None:
    config = case.schedule.get_config()
    for name in config:
        for value in BAD_ARGUMENTS[name]:
            with pytest.raises(ValueError, match=rf"argument `{name}`\. Expected .+ Received: "):
                type(case.schedule)(**{**config, name: value})


@keras.saving.register_keras_serializable(package="schedule_tests")
def halving(step: Any) -> Any:
    return 0.5 / (1.0 + keras.ops.cast(step, "float32"))


def unregistered(step: Any) -> float:
    return 0.5


@keras.saving.register_keras_serializable(package="schedule_tests")
def too_large_later(step: Any) -> Any:
    return keras.ops.cast(step, "float32") / 1000.0 + 0.5


@keras.saving.register_keras_serializable(package="schedule_tests")
def one_for_each_channel(step: Any) -> Any:
    return keras.ops.ones((3,)) * 0.1


@keras.saving.register_keras_serializable(package="schedule_tests")
def without_argument() -> float:
    return 0.1


@keras.saving.register_keras_serializable(package="schedule_tests")
def not_a_number(step: Any) -> float:
    return math.nan


class NoConfig:
    def __call__(self, step: Any) -> float:
        return 0.1


@pytest.mark.parametrize(
    "schedule",
    [halving, keras.optimizers.schedules.CosineDecay(0.3, 1000), CASES[0].schedule],
    ids=["function", "keras", "ours"],
)
def test_serializable_callables_pass(schedule: Any) -> None:
    assert schedules.check_schedule(schedule) is schedule
    copy = schedules.deserialize(json.loads(json.dumps(schedules.serialize(schedule))))
    assert float(copy(7)) == float(schedule(7))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "a number from 0 to 1 or a schedule"),
        ("linear", "a number from 0 to 1 or a schedule"),
        (NoConfig, "a number from 0 to 1 or a schedule"),
        (lambda step: 0.5, "no lambda"),
        (unregistered, "can be saved and loaded .*register_keras_serializable"),
        (NoConfig(), "can be saved and loaded .*get_config"),
        (too_large_later, "at step 1000 it is 1.5"),
        (one_for_each_channel, r"at step 0 it is \[0.1 0.1 0.1\]"),
        (not_a_number, "at step 0 it is nan"),
        (without_argument, "takes a step .at step 0"),
        (keras.optimizers.schedules.CosineDecay(3.0, 100), "at step 0 it is 3.0"),
    ],
)
def test_other_callables_are_refused(value: Any, text: str) -> None:
    with pytest.raises(ValueError, match=rf"argument `dose`\. Expected .*{text}"):
        schedules.check_schedule(value, "dose")


def test_numbers_pass_through_configs() -> None:
    assert schedules.serialize(np.float32(0.5)) == 0.5
    assert schedules.deserialize(0.5) == 0.5
    assert schedules.deserialize(halving) is halving
    for bad in (1.5, math.nan):
        with pytest.raises(ValueError, match="argument `rate`"):
            schedules.deserialize(bad)
        with pytest.raises(ValueError, match="argument `rate`"):
            schedules.serialize(bad)
    for bad in ("linear", None, [0.5], True):
        with pytest.raises(ValueError, match=r"argument `rate`.*or the dict that describes"):
            schedules.deserialize(bad)
        with pytest.raises(ValueError, match="argument `rate`"):
            schedules.serialize(bad)


def test_a_second_class_under_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'keras_dropouts>LinearRamp' already: .*Give it another"):
        register(type("LinearRamp", (schedules.Schedule,), {"__module__": "elsewhere"}))
    assert schedules.LinearRamp in registered()


def test_the_same_class_may_come_again() -> None:
    twin = type("LinearRamp", (ramps.LinearRamp,), {"__module__": ramps.__name__})
    before = registered()
    try:
        assert register(twin) is twin
        assert len(registered()) == len(before)
    finally:
        register(ramps.LinearRamp)
    assert registered() == before


@pytest.mark.parametrize("module", [schedules.schedule, phases, ramps, serialization])
def test_the_examples_in_docstrings_run(module: Any) -> None:
    names = {**vars(schedules), "keras": keras}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    examples = 0
    for test in doctest.DocTestFinder().find(module, globs=names):
        examples += len(test.examples)
        runner.run(test)
    assert examples > 0
    assert runner.summarize().failed == 0
    sys.modules["matplotlib.pyplot"].close("all")


def test_every_public_schedule_says_its_formula_and_errors() -> None:
    for case in CASES:
        text = inspect.getdoc(type(case.schedule)) or ""
        assert all(part in text for part in ("rate", "Args:", "Raises:", ">>>")), case.schedule
