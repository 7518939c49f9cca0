"""Makes tiny models of keras_hub, with random weights and with dropout."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
import keras_hub

# What the arguments of text models are called, and how small they can be.
_TEXT = {
    "vocabulary_size": 40,
    "vocab_size": 40,
    "num_layers": 2,
    "num_layers_enc": 2,
    "num_layers_dec": 2,
    "encoder_num_layers": 2,
    "decoder_num_layers": 2,
    "num_heads": 2,
    "encoder_num_heads": 2,
    "decoder_num_heads": 2,
    "num_attention_heads": 2,
    "num_query_heads": 4,
    "num_key_value_heads": 2,
    "hidden_dim": 16,
    "hidden_size": 16,
    "embedding_dim": 8,
    "intermediate_dim": 24,
    "mlp_dim": 24,
    "head_dim": 4,
    "head_size": 8,
    "filter_dim": 16,
    "image_size": 16,
    "patch_size": 4,
    "max_sequence_length": 64,
    "num_experts": 4,
    "top_k": 2,
    "moe_intermediate_dim": 16,
    "shared_expert_intermediate_dim": 16,
    "shared_expert_intermediate_size": 16,
    "image_shape": (32, 32, 3),
}
_T5GEMMA = {
    "encoder_hidden_dim": 16,
    "encoder_intermediate_dim": 24,
    "encoder_num_attention_heads": 4,
    "encoder_num_key_value_heads": 2,
    "encoder_head_dim": 4,
    "encoder_layer_types": ["full_attention", "sliding_attention"],
    "decoder_hidden_dim": 16,
    "decoder_intermediate_dim": 24,
    "decoder_num_attention_heads": 4,
    "decoder_num_key_value_heads": 2,
    "decoder_head_dim": 4,
    "decoder_layer_types": ["full_attention", "sliding_attention"],
    "sliding_window": 4,
    "cross_attention_hidden_size": 16,
}
_SMOL = {
    "attention_bias": False,
    "attention_dropout": 0.1,
    "rope_layer_enabled_list": [True, True],
    "layer_types": ["full_attention", "full_attention"],
    "mlp_bias": False,
    "layer_norm_epsilon": 1e-6,
    "max_position_embeddings": 64,
    "rope_theta": 10000.0,
    "partial_rotary_factor": 1.0,
}
_LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 4,
    "linear_value_head_dim": 4,
    "layer_types": ["linear_attention", "full_attention"],
    "partial_rotary_factor": 0.5,
    "head_dim": 8,
}
_IMAGE = {"image_shape": (32, 32, 3)}
_RESNET = {
    **_IMAGE,
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 64],
    "stackwise_num_blocks": [1, 2],
    "stackwise_num_strides": [1, 2],
    "block_type": "basic_block",
}
_MIT = {
    **_IMAGE,
    "layerwise_depths": [1, 2],
    "num_layers": 2,
    "layerwise_num_heads": [1, 2],
    "layerwise_sr_ratios": [4, 2],
    "max_drop_path_rate": 0.2,
    "layerwise_patch_sizes": [7, 3],
    "layerwise_strides": [4, 2],
    "hidden_dims": [8, 16],
}
_EFFICIENT = {
    "input_shape": (32, 32, 3),
    "stackwise_width_coefficients": [1.0] * 2,
    "stackwise_depth_coefficients": [1.0] * 2,
    "stackwise_kernel_sizes": [3, 3],
    "stackwise_num_repeats": [2, 2],
    "stackwise_input_filters": [8, 8],
    "stackwise_output_filters": [8, 16],
    "stackwise_expansion_ratios": [1, 4],
    "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
    "stackwise_strides": [1, 2],
    "stackwise_block_types": ["v1", "unfused"],
    "stackwise_force_input_filters": [0, 0],
    "stackwise_nores_option": [False, False],
    "num_features": 32,
}
_MOBILE = {
    **_IMAGE,
    "stackwise_expansion": [[40, 56], [64, 144, 144]],
    "stackwise_num_blocks": [2, 3],
    "stackwise_num_filters": [[16, 16], [24, 24, 24]],
    "stackwise_kernel_size": [[3, 3], [5, 5, 5]],
    "stackwise_num_strides": [[2, 1], [2, 1, 1]],
    "stackwise_se_ratio": [[None, None], [0.25, 0.25, 0.25]],
    "stackwise_activation": [["relu", "relu"], ["hard_swish"] * 3],
    "stackwise_padding": [[1, 1], [2, 2, 2]],
    "output_num_filters": 64,
    "depthwise_filters": 8,
    "depthwise_stride": 2,
    "depthwise_residual": False,
    "last_layer_filter": 64,
    "squeeze_and_excite": 0.5,
}
_CSP = {
    **_IMAGE,
    "stem_filters": 16,
    "stem_kernel_size": 3,
    "stem_strides": 1,
    "stackwise_depth": [1, 2],
    "stackwise_strides": [1, 2],
    "stackwise_num_filters": [16, 32],
    "block_type": "dark_block",
    "down_growth": True,
    "bottle_ratio": (0.5, 1.0),
    "block_ratio": (1.0, 0.5),
    "expand_ratio": (2.0, 1.0),
    "stage_type": "cs3",
}
_SWIN = {
    "image_shape": (32, 32, 3),
    "embed_dim": 8,
    "depths": [2, 2],
    "num_heads": [2, 2],
    "window_size": 4,
    "patch_size": 2,
}

_MODELS: dict[str, dict[str, Any]] = {
    "Albert": {},
    "Bart": {},
    "Bert": {},
    "Bloom": {},
    "DebertaV3": {"bucket_size": 8},
    "DistilBert": {},
    "ESM2": {},
    "EdRec": {},
    "Electra": {},
    "FNet": {},
    "Falcon": {},
    "GPT2": {},
    "GPTNeoX": {},
    "Gemma": {},
    "Gemma3": {"use_sliding_window_attention": True, "sliding_window_size": 4},
    "GptOss": {},
    "Llama": {},
    "Llama3": {},
    "Mistral": {},
    "Mixtral": {},
    "Moonshine": {},
    "OPT": {},
    "Phi3": {},
    "Qwen2": {},
    "Qwen3": {},
    "Qwen3Moe": {},
    "Qwen3_5": _LINEAR,
    "QwenMoe": {},
    "RWKV7": {"gate_lora": 4, "mv_lora": 4, "aaa_lora": 4, "decay_lora": 4},
    "Roberta": {},
    "RoformerV2": {},
    "SmolLM3": _SMOL,
    "T5": {},
    "T5Gemma": _T5GEMMA,
    "Whisper": {
        "num_mels": 8,
        "max_encoder_sequence_length": 24,
        "max_decoder_sequence_length": 32,
    },
    "XLMRoberta": {},
    "XLNet": {},
    "CSPNet": _CSP,
    "DINOV2": {"patch_size": 8, "position_embedding_shape": (32, 32, 3)},
    "DINOV3": {"patch_size": 8},
    "DeiT": {},
    "DenseNet": {"stackwise_num_repeats": [2, 2], "growth_rate": 8, **_IMAGE},
    "EfficientNet": _EFFICIENT,
    "MiT": _MIT,
    "MobileNet": _MOBILE,
    "ResNet": _RESNET,
    "SwinTransformer": _SWIN,
    "VGG": {"stackwise_num_repeats": [1, 2], "stackwise_num_filters": [8, 8], **_IMAGE},
    "ViT": {},
    "ViTDet": {
        "patch_size": 8,
        "num_heads": 2,
        "global_attention_layer_indices": [1],
        "num_output_channels": 8,
        "window_size": 2,
    },
    "Xception": {"stackwise_conv_filters": [[8, 8], [16, 16]], "stackwise_pooling": [True, False]},
}


def backbone(name: str, **given: Any) -> keras.Model:
    """Return a tiny backbone of keras_hub, its dropout rates raised from zero."""
    kind = getattr(keras_hub.models, f"{name}Backbone")
    arguments = dict(given)
    for key, parameter in inspect.signature(kind.__init__).parameters.items():
        required = parameter.default is inspect.Parameter.empty
        if key in arguments or key == "self":
            continue
        if "drop" in key and parameter.default in (0, 0.0):
            arguments[key] = 0.1
        elif key in _TEXT and (required or key in ("max_sequence_length", "image_shape")):
            arguments[key] = _TEXT[key]
    return kind(**arguments)


ZOO: dict[str, Callable[[], keras.Model]] = {
    f"hub_{name}": functools.partial(backbone, name, **given) for name, given in _MODELS.items()
}


# What the installed keras_hub does not have yet; tests leave it out.
LACKING = {f"hub_{name}" for name in _MODELS if not hasattr(keras_hub.models, f"{name}Backbone")}


def _segformer() -> keras.Model:
    encoder = backbone("MiT", **_MIT)
    return keras_hub.models.SegFormerBackbone(image_encoder=encoder, projection_filters=8)


def _classifier() -> keras.Model:
    return keras_hub.models.BertTextClassifier(backbone("Bert"), num_classes=3, dropout=0.3)


def _image_classifier() -> keras.Model:
    return keras_hub.models.ImageClassifier(
        backbone("ResNet", **_RESNET), num_classes=3, dropout=0.3
    )


def _causal_lm() -> keras.Model:
    return keras_hub.models.GPT2CausalLM(backbone("GPT2"))


def _masked_lm() -> keras.Model:
    return keras_hub.models.RobertaMaskedLM(backbone("Roberta"))


def _deeplab() -> keras.Model:
    encoder = backbone("ResNet", **{**_RESNET, "image_shape": (64, 64, 3)})
    return keras_hub.models.DeepLabV3Backbone(
        image_encoder=encoder,
        spatial_pyramid_pooling_key="P3",
        upsampling_size=2,
        dilation_rates=[2, 4],
        low_level_feature_key="P2",
        projection_filters=4,
        image_shape=(64, 64, 3),
    )


ZOO |= {
    "hub_SegFormer": _segformer,
    "hub_BertTextClassifier": _classifier,
    "hub_ImageClassifier": _image_classifier,
    "hub_GPT2CausalLM": _causal_lm,
    "hub_RobertaMaskedLM": _masked_lm,
    "hub_DeepLabV3": _deeplab,
}
