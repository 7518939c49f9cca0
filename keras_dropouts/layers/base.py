"""Defines what every dropout layer shares: its rate, step and seed, and how it is saved."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts import backends, schedules
from keras_dropouts.arguments import check_rate, check_seed, invalid, is_real
from keras_dropouts.keras_internals.call_stack import place_in_model, register_key
from keras_dropouts.keras_internals.layers import build_at_init
from keras_dropouts.layers.epoch_length import (
    add_epoch_length,
    ask_epoch_length,
    epoch_length,
    scheduled_rate,
    set_epoch_length,
    with_epoch_length,
)
from keras_dropouts.noise import masks, sampler
from keras_dropouts.noise.stream import Stream, TrainingStream, new_key
from keras_dropouts.noise.training_step import next_draw
from keras_dropouts.types import Schedule, Tensor

_FOLLOW_SCHEDULE = -1.0  # the value of the rate variable while a schedule sets the rate


class BaseDropout(keras.layers.Layer):
    """A layer that drops part of its input in training and is the identity otherwise.

    A subclass says what is dropped: by `mask_shape`, where dimensions of 1 are dropped as a
    whole, or by `drop`. Its state is the rate, the step and the key of its random numbers; all
    three are saved with the model, so a resumed run goes on exactly where it stopped.

    Args:
        rate: Probability of dropping, a number in [0, 1], or a schedule: any serializable
            callable step -> rate, `keras.optimizers.schedules` objects included. Values of a
            schedule outside [0, 1] are clipped while training.
        seed: None or an integer in [0, 2**63). With an integer the masks are the same in each
            run. Two layers of one model draw different masks even with the same seed.
        **kwargs: `name`, `dtype` and `trainable`, as for every Keras layer.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.
    """

    learned = False
    # Whether the layer takes a rate of 0, and is then in training what it is at inference.
    is_plain_at_rate_0 = True
    # Whether compiled steps depend on the rate, so that it cannot be set.
    rate_is_fixed = False
    _rank: int | None = None  # of the input, once a layer that needs to know it is built
    # Whether the first axis of what is drawn is the batch. Where it is not, as with weights that
    # are dropped, Monte-Carlo samples cannot be rows of one batch: the layer runs once for each.
    draws_by_row = True
    # Whether what becomes of a row depends on the other rows of a batch: likewise.
    mixes_rows = False

    def __init__(self, rate: float | Schedule, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.schedule: Schedule | None = None
        if is_real(rate):
            self._initial_rate = self._check_rate(rate)
        else:
            self.schedule = schedules.check_schedule(rate)
            self._initial_rate = _FOLLOW_SCHEDULE
        self.seed = check_seed(seed)
        self._add_rate()
        self._step = self._state("step", (), "int32", 0)
        self._key = self._state("key", (2,), "int32", new_key(self.seed))
        register_key(self, self._key)
        build_at_init(self)

    def _add_rate(self) -> None:
        """Add the variable that holds the rate."""
        start = self._encode(self._initial_rate)
        self._rate = self._state("rate", (), "float32", start, trainable=self.learned)
        add_epoch_length(self)

    def _check_rate(self, rate: Any) -> float:
        return check_rate(rate)

    def _encode(self, rate: float) -> float:
        """Return what the rate's variable holds for a rate."""
        return rate

    def _state(
        self, name: str, shape: tuple[int, ...], dtype: str, value: Any, trainable: bool = False
    ) -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=dtype,
            initializer=lambda shape, dtype: ops.convert_to_tensor(value, dtype),
            trainable=trainable,
            autocast=False,  # a rate in bfloat16 would have three digits at best
            aggregation="none" if trainable else "only_first_replica",
        )

    @property
    def rate(self) -> float:
        """The present probability of dropping.

        Set it with a number in [0, 1]: compiled steps see it with no retrace. Over a schedule a
        number prevails until `layer.rate = layer.schedule` hands the rate back.
        """
        state = np.float32(ops.convert_to_numpy(self._rate))
        if self.schedule is None and state == np.float32(self._encode(self._initial_rate)):
            return self._initial_rate  # as it was given, to the last digit
        # The float with the fewest digits that is this float32: 0.3, not 0.30000001192.
        return float(str(np.float32(ops.convert_to_numpy(self.current_rate()))))

    @rate.setter
    def rate(self, value: Any) -> None:
        if self.schedule is not None and value is self.schedule:
            self._rate.assign(_FOLLOW_SCHEDULE)
        else:
            self._rate.assign(self._encode(self._check_rate(value)))

    @property
    def follows_schedule(self) -> bool:
        """Whether the rate is that of the schedule now, and no number prevails over it."""
        return self.schedule is not None and float(ops.convert_to_numpy(self._rate)) < 0.0

    @property
    def steps_per_epoch(self) -> int | None:
        """How many steps an epoch has for a schedule in epochs; None without one, or unknown.

        The first `fit` sets it, and it is saved; later ones leave it. Set it with an integer.
        """
        return epoch_length(self)

    @steps_per_epoch.setter
    def steps_per_epoch(self, value: Any) -> None:
        set_epoch_length(self, value)

    @property
    def step(self) -> int:
        """The number of training steps so far, however many calls each of them made."""
        return int(ops.convert_to_numpy(self._step))

    def current_rate(self, step: Tensor | None = None) -> Tensor:
        """Return the rate at a step as a float32 scalar tensor, inside a compiled step too.

        step: int32 scalar tensor; None means the present one.
        """
        rate = backends.read(self._rate)
        if self.schedule is None:
            return rate
        step = backends.read(self._step) if step is None else step
        scheduled = ops.cast(scheduled_rate(self, step), "float32")
        return ops.where(rate < 0.0, ops.clip(scheduled, 0.0, 1.0), rate)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training:
            return inputs
        self._check_floats(inputs)
        stream = self._next_stream()
        return self.drop(inputs, self.current_rate(stream.step), stream)

    def _check_floats(self, inputs: Tensor) -> None:
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs.dtype)):
            raise invalid("inputs", f"floats, as {self.name} scales what it keeps", inputs.dtype)

    def _next_stream(self) -> Stream:
        """Return what the layer draws from in this call, and count the call in training."""
        active = sampler.active()
        if active is not None:
            return active.next_stream(self.draws_by_row)
        ask_epoch_length(self)
        place = place_in_model(self, self._key)
        step, number = next_draw(self, self._step)
        return TrainingStream(backends.read(self._key), step, place, number)

    def drop(self, inputs: Tensor, rate: Tensor, stream: Stream) -> Tensor:
        """Return `inputs` with part of it dropped, by random numbers from `stream`."""
        shape = self.mask_shape(inputs)
        again = stream.again(lambda stream: stream.keep(shape, rate))
        return masks.apply_mask(inputs, stream.keep(shape, rate), masks.keep_scale(rate), again)

    def mask_shape(self, inputs: Tensor) -> tuple[Any, ...]:
        """Return the shape of the mask; what has a dimension of 1 is dropped as a whole."""
        return tuple(ops.shape(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def stripped(self) -> keras.layers.Layer | None:
        """Return what stands in for the layer in a model without dropout: None, nothing."""
        return None

    def frozen(self) -> list[keras.layers.Layer]:
        """Return what stands in for the layer once its rate is a constant.

        Keras's own layer where there is one, else this one with the present rate.
        """
        return [type(self).from_config({**self.get_config(), "rate": self.rate})]

    def _frozen_as(self, kind: type[keras.layers.Layer], **arguments: Any) -> keras.layers.Layer:
        return kind(self.rate, seed=self.seed, name=self.name, dtype=self.dtype_policy, **arguments)

    @property
    def rank(self) -> int:
        """The rank of the input, which decides what stands in for some layers."""
        if self._rank is None:
            expected = "a built layer, as what stands in for it depends on the rank of its input"
            raise invalid("layer", expected, self, "Call it once, or call `layer.build(shape)`.")
        return self._rank

    def get_config(self) -> dict[str, Any]:
        rate = self.rate if self.schedule is None else with_epoch_length(self)
        return {**super().get_config(), "rate": schedules.serialize(rate), "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BaseDropout:
        return cls(**{**config, "rate": schedules.deserialize(config["rate"])})
