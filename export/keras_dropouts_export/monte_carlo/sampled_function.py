"""Traces the function of inputs and a seed that an artifact with Monte-Carlo dropout serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import tensorflow as tf

from keras_dropouts.arguments import invalid
from keras_dropouts.monte_carlo.mc_predict import check_sampled, why_nothing_drew
from keras_dropouts.monte_carlo.row_by_row import runs_row_by_row, shared_draws
from keras_dropouts.monte_carlo.sampled_model import SampledModel
from keras_dropouts.noise.sampler import Sampler
from keras_dropouts.types import Tensor
from keras_dropouts_export.monte_carlo.reduced_samples import reduced
from keras_dropouts_export.options import MonteCarlo
from keras_dropouts_export.tracing.concrete_functions import traced
from keras_dropouts_export.tracing.deciding_function import decisions
from keras_dropouts_export.tracing.inference_function import (
    InferenceFunction,
    TensorInfo,
)
from keras_dropouts_export.tracing.signature import Signature, unique_names
from keras_dropouts_export.tracing.weight_inputs import in_place_of, with_weight_inputs

SIGNATURE_KEY = "serving_mc"
MOMENTS = "moments_of_samples"  # how the names of operations begin that reduce samples
DRAWS = "StatelessRandomUniformFullIntV2"  # the one random operation that Monte-Carlo dropout has

SamplerClass = Callable[..., Sampler]


def sampled_function(
    plain: InferenceFunction,
    sampling: MonteCarlo,
    sampler: SamplerClass = Sampler,
    weights: Sequence[Any] = (),
) -> InferenceFunction:
    """Return the function of the model's inputs and `seed` that an artifact serves.

    `seed` holds a seed for each row, int64 of shape (batch,).

    Args:
        plain: The inference function of the model, which must hold dropout.
        sampling: What to do with the samples.
        sampler: What draws: by default Philox in TensorFlow, which takes a seed as two words of 32
            bits; any other class gets the seeds as they are.
        weights: Keras variables that become inputs, after the seed, called by their paths.

    Raises:
        ValueError: if nothing in the model drops, its dropout layers are never called, or it draws
            by what cannot be seeded.
        ExportError: if it cannot be traced.
    """
    model = plain.model
    check_sampled(model)
    own = len(plain.inputs) + 1
    split = _split(plain)
    seeded = with_weight_inputs(_with_seed(plain.signature, split.as_one), weights)
    dtypes = [each.dtype for each in plain.outputs]
    names: list[str] = []
    added_names: list[str] = []
    decided = plain.decided

    def flat(*arguments: Tensor) -> list[Tensor]:
        with in_place_of(weights, arguments[own:]):
            made = _samples(split, list(arguments[:own]), sampling, sampler, dtypes)
        with tf.name_scope(MOMENTS):
            outputs = {
                f"{info.name}_{what}": x
                for info, samples in zip(plain.outputs, made, strict=True)
                for what, x in reduced(samples, sampling).items()
            }
            added = {} if decided is None else decisions(decided, outputs)
        names[:], added_names[:] = [*outputs, *added], list(added)
        outputs |= added
        return [tf.identity(x) for x in outputs.values()]

    def eager(arguments: list[Tensor]) -> list[Tensor]:
        return flat(*arguments)

    function = tf.function(flat, input_signature=seeded.specs, autograph=False)
    concrete = traced(function, model)
    if not split.drew:
        raise invalid("model", "a model in which something drops", model, why_nothing_drew(model))
    seed = TensorInfo(seeded.names[own - 1], tuple(seeded.specs[own - 1].shape), "int64")
    return InferenceFunction(
        model=model,
        name=plain.name,
        concrete=concrete,
        signature=seeded,
        inputs=(*plain.inputs, seed, *_infos(seeded, own)),
        outputs=tuple(
            _output(name, x)
            for name, x in zip(unique_names(names, seeded.names), concrete.outputs, strict=True)
        ),
        output_structure=None,
        eager=eager,
        retrace=lambda weights: sampled_function(_widened(plain), sampling, sampler, weights),
        chosen=plain.chosen,
        signature_key=SIGNATURE_KEY,
        takes_seeds=not weights,
        shared_draws={} if sampling.fixed_masks else shared_draws(split),
        decided=decided,
        added=tuple(added_names),
    )


def _split(plain: InferenceFunction) -> SampledModel:
    """Return the deterministic and the stochastic part of the model of a function."""
    model, signature = plain.model, plain.signature
    # Inputs of several first dimensions, of which a batch can only be one, are one whole.
    as_one = len({spec.shape[0] for spec in signature.specs}) > 1
    inputs = len(signature.specs)
    split = SampledModel(model, lambda flat: signature.call(model, flat), inputs, as_one)
    shapes = [spec.shape.as_list() for spec in signature.specs]
    split.find_rows(shapes, [spec.dtype.name for spec in signature.specs], same_rows=False)
    return split


def _widened(plain: InferenceFunction) -> InferenceFunction:
    """Return what is known of a function, with float32 in place of bfloat16."""
    inputs, outputs = (
        tuple(
            replace(info, dtype="float32") if info.dtype == "bfloat16" else info for info in infos
        )
        for infos in (plain.inputs, plain.outputs)
    )
    return replace(plain, signature=plain.signature.widened(), inputs=inputs, outputs=outputs)


def _with_seed(signature: Signature, as_one: bool) -> Signature:
    rows = 1 if as_one else signature.specs[0].shape[0]
    name = unique_names(["seed"], [*signature.names, *(spec.name for spec in signature.specs)])[0]
    spec = tf.TensorSpec([rows], tf.int64, name=name)
    return replace(signature, names=[*signature.names, name], specs=[*signature.specs, spec])


def _infos(signature: Signature, first: int) -> list[TensorInfo]:
    pairs = zip(signature.names[first:], signature.specs[first:], strict=True)
    return [TensorInfo(name, tuple(spec.shape), spec.dtype.name) for name, spec in pairs]


def _samples(
    split: SampledModel,
    arguments: list[Tensor],
    sampling: MonteCarlo,
    sampler: SamplerClass,
    dtypes: list[str],
) -> list[Tensor]:
    """Return the flat outputs for all samples, each of shape (batch, samples, ...)."""
    *inputs, seed = arguments
    deterministic, padding_masks = split.deterministic(inputs)
    rows = 1 if split.as_one else tf.shape(inputs[0])[0]
    if not sampling.seeded:
        seed = tf.zeros([rows], tf.int64)  # there is none
    seeds = tf.reshape(seed, [rows])  # other seeds than rows are an error, in each runtime
    if sampler is Sampler:
        seeds = tf.bitcast(seeds, tf.int32)

    def chunk(first: Tensor, count: int) -> list[Tensor]:
        drawing = sampler(seeds, first, count, sampling.fixed_masks)
        return split.stochastic(deterministic, padding_masks, drawing)

    size = min(sampling.chunk_size or sampling.samples, sampling.samples)
    # Rows that run alone bound the memory by themselves, and tf2onnx loses what is known of shapes
    # in a loop within a loop.
    if not sampling.fixed_masks and runs_row_by_row(split):
        size = sampling.samples
    whole, rest = divmod(sampling.samples, size)
    if whole == 1 and not rest:
        return chunk(tf.constant(0), size)
    made = tf.map_fn(
        lambda i: tuple(chunk(i * size, size)),
        tf.range(whole),
        fn_output_signature=tuple(tf.as_dtype(dtype) for dtype in dtypes),
        parallel_iterations=1,  # the chunks are there to bound the memory
    )
    joined = [_joined(x, whole * size) for x in made]
    if not rest:
        return joined
    last = chunk(tf.constant(whole * size), rest)
    return [tf.concat([x, y], axis=1) for x, y in zip(joined, last, strict=True)]


def _joined(chunks: Tensor, count: int) -> Tensor:
    """Return (rows, `count` samples, ...) of chunks: (chunks, rows, samples of a chunk, ...)."""
    rest = range(3, chunks.shape.rank)
    by_row = tf.transpose(chunks, [1, 0, 2, *rest])
    sizes = [tf.shape(chunks)[1:2], [count], tf.shape(chunks)[3:]]
    joined = tf.reshape(by_row, tf.concat(sizes, axis=0))
    joined.set_shape([chunks.shape[1], count, *chunks.shape[3:]])
    return joined


def _output(name: str, x: Tensor) -> TensorInfo:
    return TensorInfo(name, tuple(x.shape.as_list()), x.dtype.name)
