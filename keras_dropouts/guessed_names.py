"""Answers a name that this package does not have with the one that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_ANY_RANK = "`SpatialDropout`, which takes inputs of any rank"
_OF_KERAS = "`keras.layers.{}`, which `mc_predict`, `inspect_dropout` and the exports know"
_EXPORT = "`keras_dropouts_export.{}` (import keras_dropouts_export as kde)"

# What people call things elsewhere: in Keras, keras_hub, timm, torchvision and the papers.
_KNOWN = {
    "Dropout": "`ScheduledDropout`, whose rate is a number or a schedule",
    "Dropout1D": _ANY_RANK,
    "Dropout2D": _ANY_RANK,
    "Dropout3D": _ANY_RANK,
    "ChannelDropout": _ANY_RANK,
    "FeatureDropout": _ANY_RANK,
    "SpatialDropout1D": _ANY_RANK,
    "SpatialDropout2D": _ANY_RANK,
    "SpatialDropout3D": _ANY_RANK,
    "AlphaDropout": _OF_KERAS.format("AlphaDropout"),
    "GaussianNoise": _OF_KERAS.format("GaussianNoise"),
    "StochasticDropPath": "`DropPath`, or `StochasticDepth`, which adds the skip connection",
    "StochDepth": "`StochasticDepth`",
    "drop_path": "`DropPath`",
    "WeightDropout": "`DropConnect`",
    "DropWeights": "`DropConnect`",
    "WordDropout": "`EmbeddingDropout`",
    "TokenDropout": "`PatchDropout` for vision tokens, or `EmbeddingDropout` for words",
    "AttentionDropout": "`DropKey` or `DropHead`",
    "VariationalLSTM": "`VariationalRNN`, which wraps an LSTM, a GRU or a SimpleRNN",
    "VariationalGRU": "`VariationalRNN`, which wraps an LSTM, a GRU or a SimpleRNN",
    "RecurrentDropout": "`VariationalRNN` or `Zoneout`",
    "MCDropout": "`mc_predict`, which samples any model with dropout in it",
    "MonteCarloDropout": "`mc_predict`, which samples any model with dropout in it",
    "mc_dropout": "`mc_predict`",
    "predict": "`mc_predict`",
    "summary": "`inspect_dropout`",
    "plot_history": "`plot_rates`",
    **{
        name: f"`keras_dropouts.schedules.{name}`"
        for name in (
            *("LinearRamp", "CosineRamp", "CurriculumRamp", "PiecewiseConstant"),
            *("EarlyDropout", "LateDropout", "Schedule"),
        )
    },
    **{
        name: _EXPORT.format(name)
        for name in (
            *("export_onnx", "export_saved_model", "export_litert", "export_openvino"),
            *("strip_dropout", "freeze_dropout", "strip_report", "audit", "verify", "doctor"),
            *("package", "self_test", "scoring"),
        )
    },
}
_LOWER = {name.lower(): name for name in _KNOWN}


def no_such_name(name: str, public: Iterable[str]) -> AttributeError:
    """Return the error for a name that `keras_dropouts` does not have; the caller raises it.

    public: the names that it has.
    """
    said = f"module 'keras_dropouts' has no attribute {name!r}"
    if name.startswith("_"):
        return AttributeError(said)
    guess = _KNOWN.get(_LOWER.get(name.lower(), ""))
    if guess is None:
        lower = {each.lower(): each for each in public}
        close = difflib.get_close_matches(name.lower(), [*lower, *_LOWER], n=1, cutoff=0.7)
        if not close:
            return AttributeError(said)
        guess = f"`{lower[close[0]]}`" if close[0] in lower else _KNOWN[_LOWER[close[0]]]
    return AttributeError(f"{said}. Perhaps you mean {guess}.")
