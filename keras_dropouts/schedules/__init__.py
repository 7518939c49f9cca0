"""Schedules of the rate: the training step in, the probability of dropping out.

They count steps from 0, one for each training step of the layer, or epochs of `fit`. Any
serializable callable step -> rate can stand where one of these can, `keras.optimizers.schedules`
objects included.
"""

from keras_dropouts.schedules.epochs import EpochSchedule, counts_epochs
from keras_dropouts.schedules.phases import EarlyDropout, LateDropout, PiecewiseConstant
from keras_dropouts.schedules.ramps import CosineRamp, CurriculumRamp, LinearRamp
from keras_dropouts.schedules.schedule import Schedule
from keras_dropouts.schedules.serialization import check_schedule, deserialize, serialize

__all__ = [
    "CosineRamp",
    "CurriculumRamp",
    "EarlyDropout",
    "EpochSchedule",
    "LateDropout",
    "LinearRamp",
    "PiecewiseConstant",
    "Schedule",
    "check_schedule",
    "counts_epochs",
    "deserialize",
    "serialize",
]
