"""Says in an ONNX file, in words, what the model, its inputs and its outputs are."""

from __future__ import annotations

import onnx

from keras_dropouts_export.formats.format import Exported
from keras_dropouts_export.formats.onnx.graph_edits import subgraphs
from keras_dropouts_export.options import MonteCarlo
from keras_dropouts_export.tracing.inference_function import InferenceFunction

LABELS = "keras_dropouts.labels"  # the key of the names of classes in a file's metadata

_OF_SAMPLES = {
    "samples": "All {count} samples of output {name!r}, of shape (batch, samples, ...).",
    "mean": "The mean of {count} samples of output {name!r}.",
    "std": "The standard deviation of {count} samples of output {name!r}, divided by {count}.",
    "entropy": "The entropy of the mean of output {name!r}, in nats: all uncertainty.",
    "expected_entropy": "The mean entropy of the samples of output {name!r}, in nats: what more "
    "data cannot lift.",
    "mutual_information": "How far the samples of output {name!r} disagree, in nats: the model's "
    "own uncertainty.",
}


_DECIDED = {
    "calibrated": "Output {name!r}, calibrated.{classes}",
    "calibrated_std": "The standard deviation of output {name!r}, calibrated.",
    "set": "Which classes are in the prediction set of output {name!r}.{classes}",
    "lower": "The lower end of the prediction interval of output {name!r}.",
    "upper": "The upper end of the prediction interval of output {name!r}.",
    "accept": "Whether the prediction of output {name!r} is certain enough to be accepted.",
}


def describe(file: onnx.ModelProto, exported: Exported) -> None:
    """Write the texts into `file`, in place of those that speak of TensorFlow's graph."""
    for graph in subgraphs(file.graph):
        graph.doc_string = ""
        for node in graph.node:
            node.doc_string = ""
    sampling, plain = exported.sampling, exported.plain
    what = "without dropout" if sampling is None else f"with {sampling.samples} samples of dropout"
    file.doc_string = f"Keras model {plain.name!r} at inference, {what}."
    for value in file.graph.input:
        value.doc_string = f"Input {value.name!r} of the model."
    if sampling is not None and sampling.seeded:
        file.graph.input[len(plain.inputs)].doc_string = _seed(sampling, exported.served)
    texts = _outputs(exported)
    for value in file.graph.output:
        value.doc_string = texts[value.name]


def _seed(sampling: MonteCarlo, served: InferenceFunction) -> str:
    text = (
        "A seed for each row, any integer of 64 bits. A row's masks are a function of its own "
        "seed; keras_dropouts.row_seeds makes the seeds of one."
    )
    if sampling.fixed_masks:
        return text + " All rows of a call take the masks of the first one's seed."
    if served.shared_draws:
        return f"{text} Not so what these layers draw, by the first row's: {served.shared_draws}"
    return text


def _outputs(exported: Exported) -> dict[str, str]:
    """Return the text of each output by its name."""
    names = [each.name for each in exported.plain.own_outputs]
    classes = {
        name: f" Classes along the last axis: {', '.join(labels)}."
        for name, labels in exported.labels.items()
    }
    found = _decided(exported, names, classes)
    if exported.sampling is None:
        of_model = {name: f"Output {name!r} of the model.{classes.get(name, '')}" for name in names}
        return found | of_model
    for name in names:
        for ending, text in _OF_SAMPLES.items():
            shown = text.format(count=exported.sampling.samples, name=name)
            by_class = ending in ("samples", "mean", "std")
            found[f"{name}_{ending}"] = shown + (classes.get(name, "") if by_class else "")
    return found


def _decided(exported: Exported, names: list[str], classes: dict[str, str]) -> dict[str, str]:
    return {
        f"{name}_{ending}": text.format(name=name, classes=classes.get(name, ""))
        for name in names
        for ending, text in _DECIDED.items()
        if f"{name}_{ending}" in exported.served.added
    }
