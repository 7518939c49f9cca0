"""Makes each layer of Keras in a model of its own, with the variants that export differently."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import layers
from packaging.version import Version

VECTOR, SERIES, IMAGE, VOLUME, CHANNELS_FIRST = (4,), (5, 4), (8, 8, 3), (4, 4, 4, 2), (3, 8, 8)
FIRST = {"data_format": "channels_first"}
SAME, VALID = {"padding": "same"}, {"padding": "valid"}
BINS = [-0.5, 0.0, 0.5]
Spec = tuple[str, Any, dict[str, Any]]

# (class, shape of the input, arguments)
_RECURRENT: list[Spec] = [
    ("SimpleRNN", SERIES, {"units": 3, "dropout": 0.2}),
    ("LSTM", SERIES, {"units": 3, "go_backwards": True, "return_sequences": True}),
    ("LSTM", SERIES, {"units": 3, "activation": "relu", "recurrent_activation": "hard_sigmoid"}),
    ("LSTM", SERIES, {"units": 3, "use_bias": False, "recurrent_dropout": 0.2}),
    ("GRU", SERIES, {"units": 3, "go_backwards": True, "return_sequences": True}),
    ("GRU", SERIES, {"units": 3, "activation": "relu", "recurrent_activation": "hard_sigmoid"}),
    ("GRU", SERIES, {"units": 3, "use_bias": False, "dropout": 0.2}),
    ("RNN", SERIES, {"cell": lambda: layers.LSTMCell(3, dropout=0.2)}),
    ("RNN", SERIES, {"cell": lambda: layers.GRUCell(3, dropout=0.2)}),
    ("RNN", SERIES, {"cell": lambda: layers.SimpleRNNCell(3, dropout=0.2)}),
    ("RNN", SERIES, {"cell": lambda: layers.StackedRNNCells([layers.LSTMCell(3)] * 1)}),
    ("Bidirectional", SERIES, {"layer": lambda: layers.LSTM(3, dropout=0.2), "merge_mode": "mul"}),
    ("TimeDistributed", (3, 5, 4), {"layer": lambda: layers.LSTM(3, dropout=0.2)}),
    ("ConvLSTM1D", (3, 6, 2), {"filters": 2, "kernel_size": 2, "dropout": 0.2}),
    ("ConvLSTM2D", (3, 6, 6, 1), {"filters": 2, "kernel_size": 2, "dropout": 0.2}),
    ("ConvLSTM3D", (3, 4, 4, 4, 1), {"filters": 2, "kernel_size": 2, "dropout": 0.2}),
]
_CONVOLUTIONS: list[Spec] = [
    *((f"Conv{rank}D", (6,) * rank + (4,), {"filters": 6, "kernel_size": 3, "groups": 2})
      for rank in (1, 2, 3)),
    ("Conv2D", CHANNELS_FIRST, {"filters": 6, "kernel_size": 3, **FIRST}),
    ("Conv2D", (None, None, 3), {"filters": 4, "kernel_size": 4, "strides": 3, **SAME}),
    ("Conv1DTranspose", SERIES, {"filters": 2, "kernel_size": 4, "strides": 2, **SAME}),
    ("Conv2DTranspose", IMAGE, {"filters": 2, "kernel_size": 5, "strides": 3}),
    ("Conv2DTranspose", IMAGE,
     {"filters": 2, "kernel_size": 5, "strides": 3, "output_padding": 1, **VALID}),
    ("Conv2DTranspose", IMAGE,
     {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 1, **SAME}),
    ("Conv2DTranspose", IMAGE, {"filters": 2, "kernel_size": 2, "strides": 3, **SAME}),
    ("Conv2DTranspose", IMAGE, {"filters": 2, "kernel_size": 3, "dilation_rate": 2}),
    ("Conv2DTranspose", (None, None, 3), {"filters": 2, "kernel_size": 3, "strides": 2, **SAME}),
    ("Conv2DTranspose", (None, None, 3), {"filters": 2, "kernel_size": 2, "strides": 2}),
    ("Conv3DTranspose", VOLUME, {"filters": 2, "kernel_size": 3, "strides": 2, **SAME}),
    ("DepthwiseConv1D", SERIES, {"kernel_size": 3, "depth_multiplier": 2}),
    ("DepthwiseConv2D", IMAGE, {"kernel_size": 3, "dilation_rate": 2, "depth_multiplier": 2}),
    ("DepthwiseConv2D", CHANNELS_FIRST, {"kernel_size": 3, **FIRST}),
    ("SeparableConv1D", SERIES, {"filters": 3, "kernel_size": 3, "dilation_rate": 2}),
    ("SeparableConv2D", IMAGE, {"filters": 3, "kernel_size": 3, "strides": 2}),
]  # fmt: skip
_POOLING: list[Spec] = [
    *((f"{kind}Pooling{rank}D", (5,) * rank + (2,), {"pool_size": 2, **SAME})
      for kind in ("Average", "Max") for rank in (1, 2, 3)),
    *((f"Global{kind}Pooling{rank}D", (5,) * rank + (2,), {"keepdims": rank == 2})
      for kind in ("Average", "Max") for rank in (1, 2, 3)),
    *((f"Adaptive{kind}Pooling{rank}D", (5,) * rank + (2,), {"output_size": 3})
      for kind in ("Average", "Max") for rank in (1, 2, 3)),
    ("MaxPooling2D", CHANNELS_FIRST, {"pool_size": 2, **FIRST}),
]  # fmt: skip
_SHAPES: list[Spec] = [
    *((f"{kind}{rank}D", (4,) * rank + (2,), {argument: 1})
      for kind, argument in (("Cropping", "cropping"), ("ZeroPadding", "padding"))
      for rank in (1, 2, 3)),
    *((f"UpSampling{rank}D", (4,) * rank + (2,), {"size": 2}) for rank in (1, 2, 3)),
    *(("UpSampling2D", IMAGE, {"size": (2, 3), "interpolation": each})
      for each in ("bilinear", "bicubic", "lanczos3", "lanczos5")),
    ("Cropping2D", IMAGE, {"cropping": ((1, 2), (0, 1))}),
    ("Permute", SERIES, {"dims": (2, 1)}),
    ("RepeatVector", VECTOR, {"n": 3}),
    ("Reshape", SERIES, {"target_shape": (-1, 2)}),
    ("Flatten", IMAGE, {}),
]  # fmt: skip
_DENSE: list[Spec] = [
    ("Dense", SERIES, {"units": 3, "activation": "gelu"}),
    ("EinsumDense", SERIES,
     {"equation": "abc,cd->abd", "output_shape": (None, 3), "bias_axes": "d"}),
    ("EinsumDense", SERIES, {"equation": "abc,bcde->ade", "output_shape": (2, 3)}),
    ("EinsumDense", SERIES, {"equation": "...x,xy->...y", "output_shape": (3,)}),
    ("Embedding", ((None,), "int32"), {"input_dim": 7, "output_dim": 4, "mask_zero": True}),
    ("ReversibleEmbedding", ((3,), "int32"), {"input_dim": 7, "output_dim": 4}),
    ("SpectralNormalization", VECTOR, {"layer": lambda: layers.Dense(3)}),
    ("BatchNormalization", IMAGE, {"axis": 1}),
    ("BatchNormalization", IMAGE, {"synchronized": True}),
    ("LayerNormalization", SERIES, {"axis": (1, 2)}),
    ("GroupNormalization", IMAGE, {"groups": -1}),
    ("RMSNormalization", SERIES, {}),
    ("UnitNormalization", SERIES, {}),
    ("Masking", SERIES, {}),
    *((name, SERIES, {}) for name in ("ELU", "LeakyReLU", "Identity", "ActivityRegularization")),
    *((name, SERIES, {"rate": 0.5})
      for name in ("Dropout", "AlphaDropout", "GaussianDropout", "SpatialDropout1D")),
    ("SpatialDropout2D", IMAGE, {"rate": 0.5}),
    ("SpatialDropout3D", VOLUME, {"rate": 0.5}),
    ("GaussianNoise", SERIES, {"stddev": 0.5}),
    ("PReLU", SERIES, {"shared_axes": [1]}),
    ("ReLU", SERIES, {"max_value": 6.0, "negative_slope": 0.1, "threshold": 0.2}),
    ("Softmax", SERIES, {"axis": (1, 2)}),
    ("Activation", SERIES, {"activation": "mish"}),
    ("Lambda", SERIES, {"function": lambda: lambda x: x * 2}),
]  # fmt: skip
_TABLES: list[Spec] = [
    ("Discretization", VECTOR, {"bin_boundaries": BINS}),
    ("Discretization", VECTOR, {"bin_boundaries": BINS, "output_mode": "multi_hot"}),
    *(("CategoryEncoding", ((3,), "int32"), {"num_tokens": 5, "output_mode": each})
      for each in ("multi_hot", "count")),
    *(("IntegerLookup", ((3,), "int64"), {"vocabulary": [3, 1, 5], **each})
      for each in ({}, {"output_mode": "multi_hot"}, {"num_oov_indices": 3}, {"mask_token": 0},
                   {"invert": True})),
    ("IntegerLookup", ((3,), "int64"), {"vocabulary": [0, 1], "num_oov_indices": 0}),
    ("Normalization", SERIES, {"mean": 0.5, "variance": 2.0}),
    ("MelSpectrogram", (200,), {
        "fft_length": 64, "sequence_stride": 16, "sequence_length": 64, "sampling_rate": 1000,
        "num_mel_bins": 8, "max_freq": 400}),
    ("STFTSpectrogram", (200, 1), {"frame_length": 16, "frame_step": 8, "fft_length": 16}),
]  # fmt: skip
_IMAGES: list[Spec] = [
    ("Rescaling", IMAGE, {"scale": 0.5, "offset": 1.0}),
    *(("Resizing", IMAGE, {"height": 15, "width": 7, **each})
      for each in ({}, {"interpolation": "bicubic"}, {"interpolation": "lanczos5"},
                   {"antialias": True}, {"crop_to_aspect_ratio": True},
                   {"pad_to_aspect_ratio": True})),
    ("CenterCrop", IMAGE, {"height": 5, "width": 5}),
    ("CenterCrop", IMAGE, {"height": 12, "width": 12}),
    ("RandomCrop", IMAGE, {"height": 5, "width": 5}),
    ("ContrastLimitedAdaptiveHistogramEqualization", IMAGE, {}),
    ("MaxNumBoundingBoxes", IMAGE, {"max_number": 3}),
    ("RandomPosterization", IMAGE, {"factor": 3}),
    ("RandomShear", IMAGE, {"x_factor": 0.1, "y_factor": 0.1}),
    ("RandomTranslation", IMAGE, {"height_factor": 0.1, "width_factor": 0.1}),
    ("RandomZoom", IMAGE, {"height_factor": 0.1}),
    ("RandomColorJitter", IMAGE, {"brightness_factor": 0.1, "hue_factor": 0.1}),
    ("Pipeline", IMAGE, {"layers": lambda: [layers.RandomFlip(), layers.Rescaling(0.5)]}),
    *((name, IMAGE, {"factor": 0.2}) for name in (
        "RandomBrightness", "RandomColorDegeneration", "RandomContrast", "RandomGrayscale",
        "RandomHue", "RandomInvert", "RandomPerspective", "RandomRotation", "RandomSaturation",
        "RandomSharpness")),
    *((name, IMAGE, {}) for name in (
        "AugMix", "AutoContrast", "CutMix", "MixUp", "RandAugment", "RandomElasticTransform",
        "RandomErasing", "RandomFlip", "RandomGaussianBlur", "Solarization")),
]  # fmt: skip
_MERGES = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")

# Wrappers of other frameworks' models, abstract classes, and what is part of others here.
NOT_ALONE = (
    {"FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"}
    | {"InputLayer", "InputSpec", "Layer", "Wrapper"}
    | {"GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"}
)
# Strings, which no ONNX file takes here; see test_zoo_layers.py.
OF_STRINGS = ("HashedCrossing", "Hashing", "StringLookup", "TextVectorization")
# Keras itself cannot build a graph with it: it puts its input through itself.
NOT_IN_A_GRAPH = ("Equalization",)


def alone(name: str, shape: Any, arguments: dict[str, Any]) -> keras.Model:
    """Return a model of one layer. Arguments that hold layers are given as functions."""
    shape, dtype = shape if isinstance(shape[0], tuple) else (shape, "float32")
    x = keras.Input(shape, dtype=dtype, name="x")
    made = {key: each() if inspect.isfunction(each) else each for key, each in arguments.items()}
    return keras.Model(x, getattr(layers, name)(**made)(x))


def _merge(name: str) -> keras.Model:
    inputs = [keras.Input(SERIES, name=each) for each in "ab"]
    return keras.Model(inputs, getattr(layers, name)()(inputs))


def _attention(name: str, **arguments: Any) -> keras.Model:
    inputs = [keras.Input(SERIES, name=each) for each in "ab"]
    layer = getattr(layers, name)(dropout=0.2, **arguments)
    together = name in ("AdditiveAttention", "Attention")
    return keras.Model(inputs, layer(inputs) if together else layer(*inputs))


def _named(specs: list[Spec]) -> dict[str, Callable[[], keras.Model]]:
    found: dict[str, Callable[[], keras.Model]] = {}
    for name, shape, arguments in specs:
        key = name
        while key in found:
            key += "+"
        found[key] = functools.partial(alone, name, shape, arguments)
    return found


ZOO: dict[str, Callable[[], keras.Model]] = {
    **_named(
        _RECURRENT + _CONVOLUTIONS + _POOLING + _SHAPES + _DENSE + _TABLES + _IMAGES,
    ),
    **{name: functools.partial(_merge, name) for name in _MERGES},
    "Dot": lambda: keras.Model(
        x := [keras.Input(SERIES, name=each) for each in "ab"], layers.Dot(axes=2)(x)
    ),
    "Attention": lambda: _attention("Attention", score_mode="concat"),
    "AdditiveAttention": lambda: _attention("AdditiveAttention"),
    "MultiHeadAttention": lambda: _attention(
        "MultiHeadAttention", num_heads=2, key_dim=4, value_dim=3, output_shape=5
    ),
    "GroupQueryAttention": lambda: _attention(
        "GroupQueryAttention", head_dim=4, num_query_heads=4, num_key_value_heads=2
    ),
}

# What the installed Keras does not have yet; tests leave it out.
LACKING = {name for name in ZOO if not hasattr(layers, name.rstrip("+"))}
if Version(keras.__version__) < Version("3.11"):
    LACKING.add("RandomGrayscale")  # its output is its input, and no graph holds it
