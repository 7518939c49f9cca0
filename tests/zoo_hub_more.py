"""More backbones of keras_hub, for `make zoo` alone: what the tests of every change leave out."""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
import keras_hub

from zoo_hub import _LINEAR, _T5GEMMA, backbone

_TOWER = {"hidden_dim": 16, "num_layers": 2, "num_heads": 2, "intermediate_dim": 24}
_T5GEMMA2 = {
    **{key: value for key, value in _T5GEMMA.items() if key != "cross_attention_hidden_size"},
    "encoder_num_layers": 2,
    "decoder_num_layers": 2,
    "eoi_token_index": 39,
}


def metaclip() -> keras.Model:
    models = keras_hub.models
    seeing = models.MetaCLIP2VisionEncoder(**_TOWER, patch_size=8, image_shape=(32, 32, 3))
    reading = models.MetaCLIP2TextEncoder(**_TOWER, vocabulary_size=40, embedding_dim=16)
    return models.MetaCLIP2Backbone(seeing, reading, projection_dim=8)


def d_fine() -> keras.Model:
    stages = [(8, 8, 16, 1, 1, 3), (16, 8, 16, 1, 1, 3), (16, 8, 32, 1, 1, 3), (32, 8, 32, 1, 1, 3)]
    encoder = keras_hub.models.HGNetV2Backbone(
        depths=[1, 1, 1, 1],
        embedding_size=8,
        hidden_sizes=[16, 16, 32, 32],
        stem_channels=[3, 8, 8],
        hidden_act="relu",
        use_learnable_affine_block=True,
        stackwise_stage_filters=stages,
        apply_downsample=[False, True, True, True],
        use_lightweight_conv_block=[False, False, True, True],
        image_shape=(64, 64, 3),
        out_features=["stage3", "stage4"],
    )
    return keras_hub.models.DFineBackbone(
        backbone=encoder,
        decoder_in_channels=[16, 16],
        encoder_hidden_dim=16,
        num_labels=3,
        num_denoising=0,
        learn_initial_query=False,
        num_queries=5,
        anchor_image_size=(64, 64),
        feat_strides=[16, 32],
        num_feature_levels=2,
        hidden_dim=16,
        encoder_in_channels=[32, 32],
        encode_proj_layers=[1],
        num_attention_heads=2,
        encoder_ffn_dim=16,
        num_encoder_layers=1,
        hidden_expansion=0.5,
        depth_multiplier=0.5,
        eval_idx=-1,
        num_decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        decoder_n_points=[2, 2],
        lqe_hidden_dim=8,
        num_lqe_layers=2,
        out_features=["stage3", "stage4"],
        image_shape=(64, 64, 3),
        seed=0,
    )


ZOO: dict[str, Callable[[], keras.Model]] = {
    "hub_metaclip": metaclip,
    "hub_d_fine": d_fine,
    "hub_Qwen3_5Moe": functools.partial(backbone, "Qwen3_5Moe", **_LINEAR),
    "hub_T5Gemma2": functools.partial(backbone, "T5Gemma2", **_T5GEMMA2),
    "hub_Gemma4": functools.partial(backbone, "Gemma4", sliding_window_size=4, dropout=0.1),
}

_KINDS = {"hub_metaclip": "MetaCLIP2", "hub_d_fine": "DFine"}
# What the installed keras_hub does not have yet.
LACKING = {
    name
    for name in ZOO
    if not hasattr(keras_hub.models, f"{_KINDS.get(name, name.removeprefix('hub_'))}Backbone")
}
