"""From a model to the function that an artifact with Monte-Carlo dropout serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from keras_dropouts.arguments import check_choice, check_flag, check_integer, invalid
from keras_dropouts.monte_carlo.mc_predict import check_sampled
from keras_dropouts.monte_carlo.sampled_model import SampledModel
from keras_dropouts.noise import sampler as sampling
from keras_dropouts_export.formats.onnx.tf2onnx.draw_nodes import MarkedSampler, NativeSampler
from keras_dropouts_export.formats.onnx.tf2onnx.philox_nodes import MINIMUM_OPSET
from keras_dropouts_export.monte_carlo.reduced_samples import check_probabilities, reduced
from keras_dropouts_export.tracing import portable
from keras_dropouts_export.tracing.inference_function import (
    InferenceFunction,
    TensorInfo,
    inference_function,
    traced,
)
from keras_dropouts_export.tracing.signature import Signature, unique_names

Tensor = Any

METADATA = "keras_dropouts.monte_carlo.mc_predict"  # the key of the options in an ONNX file
SIGNATURE_KEY = "serving_mc"
NATIVE_MAXIMUM_OPSET = 21
DRAWS = "StatelessRandomUniformFullIntV2"  # the one random operation that Monte-Carlo dropout has


@dataclass(frozen=True)
class MonteCarlo:
    """What an artifact does with dropout: the arguments of `export_onnx` of the same names."""

    samples: int
    reduce: str | None = "mean_std"
    uncertainty: bool = False
    chunk_size: int | None = None
    rng: str = "philox"


def monte_carlo_options(
    samples: Any, reduce: Any, uncertainty: Any, chunk_size: Any, rng: Any = "philox"
) -> MonteCarlo | None:
    """Return the options if they are what an export takes, None where `samples` is None."""
    if samples is None:
        given = {"reduce": reduce, "uncertainty": uncertainty, "chunk_size": chunk_size, "rng": rng}
        for name, default in vars(MonteCarlo(1)).items():
            if name != "samples" and given[name] != default:
                raise invalid(name, f"{default!r} where `samples` is None", given[name])
        return None
    return MonteCarlo(
        samples=check_integer(samples, "samples", minimum=1),
        reduce=check_choice(reduce, "reduce", ("mean_std", None)),
        uncertainty=check_flag(uncertainty, "uncertainty"),
        chunk_size=None if chunk_size is None else check_integer(chunk_size, "chunk_size", 1),
        rng=check_choice(rng, "rng", ("philox", "native")),
    )


def check_rng_opset(options: MonteCarlo, opset: int) -> None:
    """Raise a clear error where an opset lacks the operations of the generator."""
    if options.rng == "philox" and opset < MINIMUM_OPSET:
        raise invalid(
            "opset",
            f"{MINIMUM_OPSET} or above with `samples`, as the generator needs BitwiseXor",
            opset,
            'Pass rng="native" to go without seeds.',
        )
    if options.rng == "native" and opset > NATIVE_MAXIMUM_OPSET:
        raise invalid(
            "opset",
            f"{NATIVE_MAXIMUM_OPSET} or below with rng='native', as onnxruntime has no later "
            f"RandomUniformLike",
            opset,
        )


def monte_carlo_function(
    model: keras.Model,
    options: MonteCarlo,
    signature: Any = None,
    deterministic: InferenceFunction | None = None,
    in_onnx: bool = False,
    weights: Sequence[Any] = (),
) -> InferenceFunction:
    """Return the function of the model's inputs and an int64 `seed` that an artifact serves.

    Args:
        model: A built Keras model of any kind, with dropout.
        options: What to do with it.
        signature: As for `inference_function`.
        deterministic: The model's inference function, where it was made already.
        in_onnx: Whether the function is to be converted to ONNX, rather than to run.
        weights: Keras variables that become inputs, after the seed, called by their paths.

    Raises:
        ValueError: if nothing in the model drops, or it draws by what cannot be seeded.
        ExportError: if it cannot be traced.
    """
    check_sampled(model)
    plain = deterministic or inference_function(model, signature)
    own = len(plain.inputs) + 1
    seeded = portable.with_weight_inputs(_with_seed(plain.signature), weights)
    split = SampledModel(
        model, lambda flat: plain.signature.call(model, flat), len(plain.signature.specs)
    )
    kind: Any = sampling.Sampler
    if in_onnx:
        kind = NativeSampler if options.rng == "native" else MarkedSampler
    dtypes = [each.dtype for each in plain.outputs]
    names: list[str] = []

    def flat(arguments: list[Tensor]) -> list[Tensor]:
        with portable.in_place_of(weights, arguments[own:]):
            made = _samples(split, arguments[:own], options, kind, dtypes)
        outputs = {
            f"{info.name}_{what}": x
            for info, samples in zip(plain.outputs, made, strict=True)
            for what, x in reduced(samples, options.reduce, options.uncertainty).items()
        }
        names[:] = outputs
        return [tf.identity(x) for x in outputs.values()]

    function = tf.function(
        lambda *inputs: flat(list(inputs)), input_signature=seeded.specs, autograph=False
    )
    concrete = traced(function, model)
    found = InferenceFunction(
        model=model,
        name=plain.name,
        function=function,
        signature=seeded,
        inputs=(
            *plain.inputs,
            TensorInfo(seeded.names[own - 1], (), "int64"),
            *_infos(seeded, own),
        ),
        outputs=tuple(
            _output(name, x)
            for name, x in zip(unique_names(names, seeded.names), concrete.outputs, strict=True)
        ),
        output_structure=None,
        forward=flat,
        signature_key=SIGNATURE_KEY,
    )
    if options.uncertainty and not in_onnx:
        check_probabilities(plain)
    return found


def _with_seed(signature: Signature) -> Signature:
    name = unique_names(["seed"], [*signature.names, *(spec.name for spec in signature.specs)])[0]
    spec = tf.TensorSpec([], tf.int64, name=name)
    return replace(signature, names=[*signature.names, name], specs=[*signature.specs, spec])


def _infos(signature: Signature, first: int) -> list[TensorInfo]:
    pairs = zip(signature.names[first:], signature.specs[first:], strict=True)
    return [TensorInfo(name, tuple(spec.shape), spec.dtype.name) for name, spec in pairs]


def _samples(
    split: SampledModel,
    arguments: list[Tensor],
    options: MonteCarlo,
    kind: Callable[..., sampling.Sampler],
    dtypes: list[str],
) -> list[Tensor]:
    """Return the flat outputs for all samples, each of shape (samples, batch, ...)."""
    *inputs, seed = arguments
    quiet, masks = split.quiet(inputs)
    rows = tf.shape(inputs[0])[0]
    plain = kind is sampling.Sampler
    key = tf.bitcast(seed, tf.int32) if plain else tf.reshape(tf.cast(seed, tf.uint64), [1])

    def chunk(first: Tensor, count: int) -> list[Tensor]:
        sampler = kind(key, first + tf.range(count), rows, tf.constant(0))
        return split.noisy(quiet, masks, sampler)

    size = min(options.chunk_size or options.samples, options.samples)
    whole, rest = divmod(options.samples, size)
    if whole == 1 and not rest:
        return chunk(tf.constant(0), size)
    made = tf.map_fn(
        lambda i: tuple(chunk(i * size, size)),
        tf.range(whole),
        fn_output_signature=tuple(tf.as_dtype(dtype) for dtype in dtypes),
        parallel_iterations=1,  # the chunks are there to bound the memory
    )
    joined = [tf.reshape(x, tf.concat([[whole * size], tf.shape(x)[2:]], axis=0)) for x in made]
    joined = [_like(x, y) for x, y in zip(joined, made, strict=True)]
    if not rest:
        return joined
    last = chunk(tf.constant(whole * size), rest)
    return [tf.concat([x, y], axis=0) for x, y in zip(joined, last, strict=True)]


def _like(x: Tensor, made: Tensor) -> Tensor:
    """Return `x` with the static shape that it has as chunks: `(chunks, samples, ...)`."""
    count = made.shape[0] * made.shape[1] if made.shape[0] and made.shape[1] else None
    x.set_shape([count, *made.shape[2:]])
    return x


def _output(name: str, x: Tensor) -> TensorInfo:
    shape = tuple(x.shape.as_list())
    is_samples = name.endswith("_samples")
    return TensorInfo(name, shape, x.dtype.name, batch_axis=int(is_samples))
