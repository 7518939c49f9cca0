"""Makes composed models of keras_hub: of image and text, for segmentation and detection."""

from __future__ import annotations

from collections.abc import Callable

import keras
import keras_hub

from zoo_hub import backbone

_TOWER = {
    "hidden_dim": 16,
    "num_layers": 2,
    "num_heads": 2,
    "intermediate_dim": 24,
}
_VISION = {**_TOWER, "patch_size": 8, "image_shape": (32, 32, 3)}
_TEXT = {**_TOWER, "vocabulary_size": 40, "embedding_dim": 16, "max_sequence_length": 64}


def clip() -> keras.Model:
    models = keras_hub.models
    return models.CLIPBackbone(
        models.CLIPVisionEncoder(**_VISION), models.CLIPTextEncoder(**_TEXT), projection_dim=8
    )


def siglip() -> keras.Model:
    models = keras_hub.models
    return models.SigLIPBackbone(
        models.SigLIPVisionEncoder(**_VISION), models.SigLIPTextEncoder(**_TEXT)
    )


def pali_gemma() -> keras.Model:
    return keras_hub.models.PaliGemmaBackbone(
        vocabulary_size=40,
        image_size=16,
        num_layers=2,
        num_query_heads=2,
        num_key_value_heads=1,
        hidden_dim=16,
        intermediate_dim=24,
        head_dim=8,
        vit_patch_size=4,
        vit_num_heads=2,
        vit_hidden_dim=16,
        vit_num_layers=2,
        vit_intermediate_dim=24,
        dropout=0.1,
    )


def sam() -> keras.Model:
    return keras_hub.models.SAMBackbone(
        image_encoder=keras_hub.models.ViTDetBackbone(
            hidden_size=8,
            num_layers=2,
            intermediate_dim=16,
            num_heads=2,
            global_attention_layer_indices=[1],
            patch_size=16,
            num_output_channels=8,
            window_size=2,
            image_shape=(64, 64, 3),
        ),
        prompt_encoder=keras_hub.layers.SAMPromptEncoder(
            hidden_size=8,
            image_embedding_size=(4, 4),
            input_image_size=(64, 64),
            mask_in_channels=16,
        ),
        mask_decoder=keras_hub.layers.SAMMaskDecoder(
            num_layers=2,
            hidden_size=8,
            intermediate_dim=16,
            num_heads=2,
            embedding_dim=8,
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=8,
        ),
    )


def retina_net() -> keras.Model:
    encoder = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64, 64, 64],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
        image_shape=(64, 64, 3),
    )
    return keras_hub.models.RetinaNetBackbone(
        image_encoder=encoder, min_level=3, max_level=5, use_p5=True, image_shape=(64, 64, 3)
    )


def hgnet() -> keras.Model:
    return keras_hub.models.HGNetV2Backbone(
        depths=[1, 2],
        embedding_size=8,
        hidden_sizes=[8, 16],
        stem_channels=[3, 8, 8],
        hidden_act="relu",
        use_learnable_affine_block=True,
        stackwise_stage_filters=[(8, 8, 8, 1, 1, 3), (8, 8, 16, 2, 1, 3)],
        apply_downsample=[False, True],
        use_lightweight_conv_block=[False, True],
        image_shape=(64, 64, 3),
    )


def depth_anything() -> keras.Model:
    encoder = backbone(
        "DINOV2",
        patch_size=8,
        num_layers=3,
        position_embedding_shape=(64, 64, 3),
        image_shape=(64, 64, 3),
    )
    return keras_hub.models.DepthAnythingBackbone(
        image_encoder=encoder,
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_dims=[8, 8, 8, 8],
        fusion_hidden_dim=8,
        head_hidden_dim=8,
        head_in_index=-1,
    )  # fmt: skip


def bas_net() -> keras.Model:
    encoder = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
    )
    return keras_hub.models.BASNetBackbone(
        image_encoder=encoder, num_classes=1, projection_filters=64, image_shape=(64, 64, 3)
    )


def par_seq() -> keras.Model:
    return keras_hub.models.PARSeqBackbone(
        image_encoder=backbone("ViT", patch_size=8, image_shape=(32, 32, 3), use_class_token=False),
        vocabulary_size=12,
        max_label_length=32,
        decoder_hidden_dim=16,
        num_decoder_layers=1,
        num_decoder_heads=2,
        decoder_mlp_dim=24,
    )


def video_prism() -> keras.Model:
    return keras_hub.models.VideoPrismBackbone(
        num_frames=2,
        patch_size=8,
        hidden_dim=16,
        intermediate_dim=24,
        num_heads=2,
        num_spatial_layers=1,
        num_temporal_layers=1,
        num_auxiliary_layers=1,
        vocabulary_size=40,
        num_text_layers=1,
        dropout_rate=0.1,
        image_shape=(16, 16, 3),
    )


ZOO: dict[str, Callable[[], keras.Model]] = {
    f"hub_{make.__name__}": make
    for make in (
        clip, siglip, pali_gemma, sam, retina_net, hgnet, depth_anything,
        par_seq, video_prism,
    )
}  # fmt: skip

# What the installed keras_hub does not have yet; tests leave it out.
LACKING = (
    set() if hasattr(keras_hub.models, "VideoPrismBackbone") else {f"hub_{video_prism.__name__}"}
)

# It fixes the width of its decoder: 87 million weights.
LARGE: dict[str, Callable[[], keras.Model]] = {"hub_bas_net": bas_net}
