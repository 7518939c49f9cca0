"""Makes models that call one function of keras.ops each, as a user's layer may."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

Function = Callable[[Any], Any]
LACKING: set[str] = set()  # what the installed Keras does not have yet; tests leave it out
SERIES, IMAGE = (5, 4), (8, 8, 3)
PARTS = np.array([0, 0, 1, 1, 2])


class Apply(keras.layers.Layer):
    """A layer that is one function."""

    def __init__(self, function: Function) -> None:
        super().__init__(name="apply")
        self.function = function

    def call(self, inputs):  # type: ignore[no-untyped-def]
        return self.function(inputs)


def model_of(function: Function, shape: tuple[int, ...] = SERIES) -> keras.Model:
    """Return a model that is one function of its input."""
    x = keras.Input(shape, name="x")
    return keras.Model(x, Apply(function)(x))


@functools.cache
def weights(*shape: int) -> np.ndarray:
    """Return the same numbers from 0 to 1 for a shape each time."""
    return np.random.default_rng(5).random(shape).astype("float32")


def names(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


_ELEMENTWISE = names(
    "absolute arcsinh arctan ceil celu conj cos cosh deg2rad elu erf exp exp2 expm1 floor "
    "gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh isfinite isinf isnan leaky_relu "
    "log_sigmoid log_softmax nan_to_num negative rad2deg real reciprocal relu relu6 round "
    "selu sigmoid sign signbit silu sin sinc sinh soft_shrink softmax softplus softsign "
    "sparse_plus sparse_sigmoid sparsemax square squareplus tan tanh tanh_shrink trunc angle "
    "cbrt "
)
_OF_POSITIVE = names("arccosh log log10 log1p log2 rsqrt sqrt")
_OF_SMALL = names("arccos arcsin arctanh erfinv")
_ALONG_AN_AXIS = names(
    "all amax amin any argmax argmin argsort count_nonzero cumprod cumsum diff flip logsumexp "
    "max mean median min prod sort std sum var "
)
_OF_TWO = names(
    "add arctan2 divide divide_no_nan equal floor_divide fmod greater greater_equal heaviside "
    "hypot isclose less less_equal logaddexp logaddexp2 logical_and logical_or logical_xor "
    "maximum minimum mod multiply not_equal power subtract "
)


def _square(x: Any) -> Any:
    return ops.matmul(ops.transpose(x, (0, 2, 1)), x) + 3 * ops.eye(4)


def _tenfold(x: Any) -> Any:
    return ops.cast(10 * x, "int32")


_INTEGERS: dict[str, Function] = {
    "bitwise_and": lambda x: ops.bitwise_and(_tenfold(x), 3),
    "bitwise_xor": lambda x: ops.bitwise_xor(_tenfold(x), 5),
    "floor_divide": lambda x: ops.floor_divide(_tenfold(x), 3),
    "floor_divide by a negative": lambda x: ops.floor_divide(_tenfold(x), -3),
    "left_shift": lambda x: ops.left_shift(_tenfold(x), 2),
    "mod": lambda x: ops.mod(_tenfold(x), 3),
    "mod by a negative": lambda x: ops.mod(_tenfold(x), -3),
    "saturate_cast": lambda x: ops.saturate_cast(300 * x, "uint8"),
    "uint8": lambda x: ops.cast(x * x, "uint8") + ops.cast(10 * x * x, "uint8"),
}
_SHAPES: dict[str, Function] = {
    "arange": lambda x: ops.arange(ops.shape(x)[0]),
    "broadcast_to": lambda x: ops.broadcast_to(x[:, :1], ops.shape(x)),
    "diagonal": lambda x: ops.diagonal(x, axis1=1, axis2=2),
    "linspace": lambda x: ops.linspace(ops.min(x, axis=1), ops.max(x, axis=1), 4, axis=1),
    "meshgrid": lambda x: x + ops.meshgrid(ops.arange(5.0), ops.arange(4.0), indexing="ij")[0],
    "moveaxis": lambda x: ops.moveaxis(x, 1, 2),
    "pad": lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1]], constant_values=0.5),
    "pad symmetric": lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1]], mode="symmetric"),
    "pad reflect": lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1]], mode="reflect"),
    "repeat": lambda x: ops.repeat(x, 2, axis=1),
    "reshape": lambda x: ops.reshape(x, (ops.shape(x)[0], -1)),
    "roll": lambda x: ops.roll(ops.roll(x, 2, axis=1), -1, axis=2),
    "rot90": lambda x: ops.rot90(x, axes=(1, 2)),
    "slice": lambda x: ops.slice(x, (0, 1, 1), (1, 2, 2)),
    "split": lambda x: ops.split(x, 2, axis=2)[1],
    "stack": lambda x: ops.stack([x, x * 2], axis=1),
    "strided": lambda x: x[:, ::-2, 1:3],
    "tile": lambda x: ops.tile(x, [1, 2, 1]),
    "trace": lambda x: ops.trace(x, axis1=1, axis2=2),
    "tril": lambda x: ops.tril(x) + ops.triu(x, 1),
    "unstack": lambda x: ops.unstack(x, axis=1)[2],
}
_SEARCHES: dict[str, Function] = {
    "bincount": lambda x: ops.bincount(ops.argmax(x, axis=-1), minlength=6),
    "cumprod of the last axis": lambda x: ops.cumprod(x, axis=-1),
    "clip": lambda x: ops.clip(x, -0.5, 0.5),
    "digitize": lambda x: ops.digitize(x, weights(4).cumsum()),
    "in_top_k": lambda x: ops.in_top_k(ops.argmax(x[:, 0], axis=-1), x[:, 1], 2),
    "multi_hot": lambda x: ops.multi_hot(ops.argmax(x, axis=-1), 6),
    "nonzero": lambda x: ops.nonzero(x)[0],
    "one_hot": lambda x: ops.one_hot(ops.argmax(x, axis=-1), 4),
    "quantile": lambda x: ops.quantile(x, 0.3, axis=1),
    "scatter_update": lambda x: ops.scatter_update(
        ops.zeros((5,)), np.array([[1], [3]]), ops.mean(x, axis=(0, 2))[:2]
    )[None],
    "searchsorted": lambda x: ops.searchsorted(weights(4).cumsum(), ops.mean(x, axis=(0, 2)))[None],
    "segment_sum": lambda x: ops.segment_sum(ops.transpose(x, (1, 0, 2)), PARTS, 3),
    "segment_max": lambda x: ops.segment_max(ops.transpose(x, (1, 0, 2)), PARTS, 3),
    "slice_update": lambda x: ops.slice_update(x, (0, 1, 2), 2 * x[:, :2, :1]),
    "slice_update outside": lambda x: ops.slice_update(x, (0, 4, 0), 2 * x[:, :2]),
    "take": lambda x: ops.take(x, [0, 2], axis=1),
    "take_along_axis": lambda x: ops.take_along_axis(x, ops.argsort(x, axis=1), axis=1),
    "top_k": lambda x: ops.top_k(x, 2)[0],
    "unravel_index": lambda x: ops.unravel_index(
        ops.argmax(ops.reshape(x, (-1, 20)), axis=1), (5, 4)
    )[0],
    "where": lambda x: ops.where(x > 0, x, 0.1 * x),
}
_PRODUCTS: dict[str, Function] = {
    "cross": lambda x: ops.cross(x[:, :, :3], x[:, ::-1, :3]),
    "det": lambda x: ops.det(_square(x)),
    "dot_product_attention": lambda x: ops.dot_product_attention(
        *[x[:, :, None]] * 3, is_causal=True
    ),
    "einsum": lambda x: ops.einsum("bij,bkj->bik", x, x),
    "einsum of one": lambda x: ops.einsum("bij->bji", x),
    "einsum of three": lambda x: ops.einsum("bij,bkj,bkl->bil", x, x, x),
    "einsum with dots": lambda x: ops.einsum("...ij,...kj->...ik", x, x),
    "einsum to a sum": lambda x: ops.einsum("bij->bi", x),
    "norm": lambda x: ops.norm(x, axis=-1),
    "normalize": lambda x: ops.normalize(x, axis=-1),
    "rms_normalization": ops.rms_normalization,
    "tensordot": lambda x: ops.tensordot(x, weights(4, 3), axes=1),
}
_SIGNALS: dict[str, Function] = {
    "fft": lambda x: ops.fft((x, 2 * x))[0],
    "fft2": lambda x: ops.fft2((x, 2 * x))[1],
    "ifft2": lambda x: ops.ifft2((x, 2 * x))[0],
    "irfft": lambda x: ops.irfft((x, 2 * x)),
    "irfft of an odd length": lambda x: ops.irfft((x, 2 * x), fft_length=5),
    "rfft": lambda x: ops.rfft(x)[1],
    "rfft longer": lambda x: ops.rfft(x, fft_length=7)[0],
    "stft": lambda x: ops.stft(ops.reshape(x, (-1, 20)), 8, 4, 8)[0],
    "extract_sequences": lambda x: ops.extract_sequences(ops.reshape(x, (-1, 20)), 8, 4),
}
_CONTROL: dict[str, Function] = {
    "cond": lambda x: ops.cond(ops.sum(x) > 0, lambda: x, lambda: -x),
    "fori_loop": lambda x: ops.fori_loop(0, 3, lambda _, y: y + 1.0, x),
    "map": lambda x: ops.map(lambda row: 2 * row, x),
    "vectorized_map": lambda x: ops.vectorized_map(lambda row: ops.sum(row) * row, x),
    "while_loop": lambda x: ops.while_loop(
        lambda i, _: i < 3, lambda i, y: (i + 1, y * 1.5), (0, x)
    )[1],
}


def _resize(size: tuple[int, int], **arguments: Any) -> Function:
    return lambda x: ops.image.resize(x, size, **arguments)


_IMAGES: dict[str, Function] = {
    **{f"resize {kind}": _resize((13, 11), interpolation=kind)
       for kind in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")},
    **{f"resize {kind} down": _resize((3, 4), interpolation=kind)
       for kind in ("nearest", "bilinear", "bicubic", "lanczos3")},
    "resize antialias": _resize((3, 4), antialias=True),
    "rgb_to_grayscale": ops.image.rgb_to_grayscale,
    "rgb_to_hsv": lambda x: ops.image.rgb_to_hsv(ops.sigmoid(x)),
    "hsv_to_rgb": lambda x: ops.image.hsv_to_rgb(ops.sigmoid(x)),
    "extract_patches": lambda x: ops.image.extract_patches(x, 3, strides=2, padding="same"),
    "gaussian_blur": ops.image.gaussian_blur,
    "crop_images": lambda x: ops.image.crop_images(x, 1, 1, target_height=4, target_width=4),
    "average_pool": lambda x: ops.average_pool(x, 3, 2, padding="same"),
    "conv of groups": lambda x: ops.conv(x[..., :2], weights(3, 3, 1, 4), padding="same"),
    "conv_transpose": lambda x: ops.conv_transpose(
        x, weights(3, 3, 4, 3), 2, padding="valid", output_padding=1
    ),
    "depthwise_conv": lambda x: ops.depthwise_conv(x, weights(3, 3, 3, 2), strides=2),
    "separable_conv": lambda x: ops.separable_conv(x, weights(3, 3, 3, 2), weights(1, 1, 6, 4)),
}  # fmt: skip


def _each(every: list[str], apply: Callable[[Any, Any], Any]) -> dict[str, Function]:
    LACKING.update(name for name in every if not hasattr(ops, name))
    return {name: functools.partial(apply, getattr(ops, name, None)) for name in every}


ZOO: dict[str, Callable[[], keras.Model]] = {
    name: functools.partial(model_of, function)
    for group in (
        _each(_ELEMENTWISE, lambda f, x: f(x)),
        _each(_OF_POSITIVE, lambda f, x: f(x * x + 1)),
        _each(_OF_SMALL, lambda f, x: f(0.99 * ops.tanh(2 * x))),
        _each(_ALONG_AN_AXIS, lambda f, x: f(x, axis=1)),
        _each(_OF_TWO, lambda f, x: f(x, 0.7 * x[:, ::-1])),
        {f"integer {name}": each for name, each in _INTEGERS.items()},
        *(_SHAPES, _SEARCHES, _PRODUCTS, _SIGNALS, _CONTROL),
    )
    for name, function in group.items()
} | {name: functools.partial(model_of, each, IMAGE) for name, each in _IMAGES.items()}

# (function, operation of TensorFlow): what ONNX cannot do.
UNKNOWN_TO_ONNX: dict[str, tuple[Function, str]] = {
    "cholesky": (lambda x: ops.cholesky(_square(x)), "Cholesky"),
    "inv": (lambda x: ops.inv(_square(x)), "MatrixInverse"),
    "solve": (lambda x: ops.solve(_square(x), ops.ones_like(x[:, :4])), "MatrixSolve"),
    "svd": (lambda x: ops.svd(x, compute_uv=False), "Svd"),
    "qr": (lambda x: ops.qr(x)[1], "Qr"),
    "i0": (lambda x: ops.i0(x), "BesselI0"),
    "nextafter": (lambda x: ops.nextafter(x, x + 1), "NextAfter"),
}
LACKING |= {name for name in UNKNOWN_TO_ONNX if not hasattr(ops, name)}
