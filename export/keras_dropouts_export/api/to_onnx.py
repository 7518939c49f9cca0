"""Offers `export_onnx`: from a Keras model to an ONNX file."""

from __future__ import annotations

import os
from typing import Any

import keras

from keras_dropouts.arguments import invalid
from keras_dropouts_export import formats, pipeline
from keras_dropouts_export.options import Comparison, MonteCarlo
from keras_dropouts_export.pipeline import Progress, Request
from keras_dropouts_export.report import ExportReport
from keras_dropouts_export.tracing.sample_inputs import SampleInputs


def export_onnx(
    model: keras.Model,
    path: str | os.PathLike[str],
    samples: int | None = None,
    opset: int = 18,
    *,
    reduce: str | None = "mean_std",
    uncertainty: bool = False,
    chunk_size: int | None = None,
    rng: str = "philox",
    fixed_masks: bool = False,
    dtype: str | None = None,
    quantize: str | None = None,
    representative_inputs: Any = None,
    labels: Any = None,
    calibration: Any = None,
    input_signature: Any = None,
    sample_inputs: Any = None,
    overwrite: bool = False,
    atol: float | None = None,
    rtol: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ExportReport:
    """Write `model` at inference to an ONNX file, once onnxruntime agrees with it.

    Every noise source is off, whatever the model: nothing random, writing or unknown to ONNX is
    left, or nothing is written. Inputs are called as the model's input layers, outputs as their
    keys or the layers that make them, the batch dimension `batch`. The file's metadata says what
    was stripped from which rates, and with which versions. `model` is not changed.

    Where Keras runs on JAX or PyTorch, a process of its own exports on TensorFlow, and the artifact
    is also compared with the model where it is; your own layers have to be importable there.

    Args:
        model: A built Keras model of any kind.
        path: File name that ends in .onnx, in an existing folder.
        samples: None, or an integer above 0, which keeps dropout alive: the file draws that many
            samples and has the outputs `<name>_mean` and `<name>_std`. It takes a seed for each
            row, the int64 input `seed` of shape (batch,), and `keras_dropouts.row_seeds` makes
            them of one. A row's masks are a function of its own seed, the same bits as those of
            `keras_dropouts.mc_predict` with these `row_seeds`, whatever stands beside it in a
            batch. What no mask touches is computed once. A layer that cannot draw for each row
            (`DropConnect`, `EmbeddingDropout`, `gamma="paper"`) makes the rows run one by one.
        reduce: "mean_std", or None for the output `<name>_samples`, of shape (batch, samples, ...).
        uncertainty: Whether to add, where the outputs are class probabilities, `<name>_entropy`,
            `<name>_expected_entropy` and `<name>_mutual_information`, in nats.
        chunk_size: How many samples run together as one batch, which bounds the memory; None for
            all of them. Where rows run one by one, all samples of a row run together.
        rng: "philox"; or "portable", which draws the same bits in integers of 32 bits alone, for
            runtimes that compute wider ones wrongly (OpenVINO), and takes longer: seeds must be
            from `-2**31` to `2**31 - 1` there; or "native" for the runtime's own generator: it
            takes no seed, so the file has no such input, a new session may begin with the numbers
            of the last, and runtimes differ. It needs an opset up to 21.
        fixed_masks: Whether all rows that are served together share the masks that the first row's
            seed gives, as an ensemble of `samples` sub-networks does. Give every row the same seed,
            so that it does not matter with which other rows a server puts it together.
        dtype: None for the model's own, or "float16" for half the size: numbers inside the file are
            float16, inputs and outputs stay as they are. What is computed of random numbers alone,
            and the moments of samples, stay in float32, so the masks are the same bits.
        quantize: None, or "int8" for about a quarter of the size: the weights of products and
            convolutions become int8, what goes through them too. Other layers stay as they are.
        representative_inputs: None, or inputs of your own, as `sample_inputs`, as many as show the
            range of your data (100 to 1,000 rows): the ranges of int8 inside are found with them
            once, and what is lost is measured on them. Without it each call finds its own ranges.
            It is for `dtype` and `quantize`.
        labels: None, or the names of the classes along the last axis of the output, which the file
            then says: a list of strings, or for several outputs a dict of lists by their names. In
            the metadata they are JSON under `keras_dropouts.labels`, always by name.
        calibration: None, or what the file is to say of an output beside it: a calibration of
            `kd.uncertainty.calibrate` (the output `<name>_calibrated`), what
            `kd.uncertainty.conformal` returns (`<name>_set`, booleans of shape (batch, classes), or
            `<name>_lower` and `<name>_upper`), a threshold of a report (`<name>_accept`, booleans
            of shape (batch,)), or a list of these; for several outputs a dict by their names. With
            `samples` it is said of the mean of the samples, and conformal prediction is fitted
            again for as many, on the data that it was made with. Not with `dtype` or `quantize`,
            as the thresholds are those of the model.
        opset: Version of ONNX's operations, an integer from 13 to 25, or to what the
            installed onnx knows, if that is less (22 with onnx 1.17). With 18 every current
            server loads the file.
        input_signature: None, or what the model takes as its first argument (a tuple: its
            arguments), as a structure of `tf.TensorSpec` or `keras.InputSpec`: for a subclassed
            model with integer inputs or several arguments, or to fix a dynamic dimension.
        sample_inputs: None, or inputs that model and file are compared on, in place of random ones:
            an array, or a tuple, list or dict of arrays, as the model takes them, or a dict by the
            names of the inputs. They are for a model that takes no random numbers. All rows are
            tried, the first alone and the first two. Where no `input_signature` is given they also
            say dtypes and ranks of the inputs of a subclassed model.
        overwrite: Whether to replace a file at `path`.
        atol: Absolute tolerance of the comparison; see `verify`. With `dtype` or `quantize` it is
            what an output may lose: by default 0.002 and 0.01, for int8 0.01 and 0.2. The file is
            compared as it was before with the tolerance of its dtype, in any case.
        rtol: Relative tolerance of the comparison; see `verify`.
        seed: Seed of the inputs that model and file are compared on.
        progress: Called with the name of each step as it begins.

    Returns:
        An `ExportReport`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, or the model is not
            built.
        FileExistsError, FileNotFoundError, PermissionError: if nothing can be written at `path`.
        ExportError: naming what ONNX lacks, what is left or what differs; nothing is written.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import onnxruntime
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,), name="features"), keras.layers.Dense(2, name="score")]
    >>> report = kde.export_onnx(keras.Sequential(layers), "score.onnx")
    >>> print(report.inputs[0], report.outputs[0])
    features: float32[batch, 4] score: float32[batch, 2]
    >>> session = onnxruntime.InferenceSession("score.onnx")
    >>> session.run(["score"], {"features": np.zeros((3, 4), "float32")})[0].shape
    (3, 2)
    """
    layout = formats.named("onnx").make(opset=opset, dtype=dtype, quantize=quantize)
    if representative_inputs is not None and layout.lowered_to is None:
        expected = "None where `dtype` and `quantize` are None"
        raise invalid("representative_inputs", expected, type(representative_inputs).__name__)
    if calibration is not None and layout.lowered_to is not None:
        way_out = "Make the file without it, and fit on what the file answers."
        expected = "None with `dtype` or `quantize`: it is fitted on what the model answers"
        raise invalid("calibration", expected, calibration, way_out)
    return pipeline.export(
        Request(
            model=model,
            path=path,
            format=layout,
            sampling=MonteCarlo.asked_for(
                samples,
                reduce=reduce,
                uncertainty=uncertainty,
                chunk_size=chunk_size,
                rng=rng,
                fixed_masks=fixed_masks,
            ),
            comparison=Comparison(atol, rtol, seed),
            input_signature=input_signature,
            sample_inputs=SampleInputs.asked_for(sample_inputs),
            overwrite=overwrite,
            progress=progress,
            labels=labels,
            calibration=calibration,
            representative_inputs=SampleInputs.asked_for(
                representative_inputs, "representative_inputs"
            ),
        )
    )
