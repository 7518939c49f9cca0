"""The dropout layers, one family a file; importing this registers them all."""

from keras_dropouts.layers.attention import DropHead, DropKey
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.layers.concrete_dropout import ConcreteDropout
from keras_dropouts.layers.concrete_regularizers import concrete_regularizers
from keras_dropouts.layers.drop_block import DropBlock1D, DropBlock2D, DropBlock3D
from keras_dropouts.layers.drop_block_any_rank import DropBlock
from keras_dropouts.layers.drop_connect import DropConnect
from keras_dropouts.layers.drop_path import DropPath, depth_rates
from keras_dropouts.layers.embedding_dropout import EmbeddingDropout
from keras_dropouts.layers.expected_zoneout import ExpectedZoneout
from keras_dropouts.layers.gaussian_dropout import GaussianDropout
from keras_dropouts.layers.multi_sample_dropout import MultiSampleDropout
from keras_dropouts.layers.patch_dropout import PatchDropout
from keras_dropouts.layers.scheduled_dropout import ScheduledDropout
from keras_dropouts.layers.spatial_dropout import SpatialDropout
from keras_dropouts.layers.stochastic_depth import StochasticDepth
from keras_dropouts.layers.variational_dropout import VariationalDropout
from keras_dropouts.layers.variational_rnn import VariationalRNN
from keras_dropouts.layers.zoneout import Zoneout

__all__ = [
    "BaseDropout",
    "ConcreteDropout",
    "DropBlock",
    "DropBlock1D",
    "DropBlock2D",
    "DropBlock3D",
    "DropConnect",
    "DropHead",
    "DropKey",
    "DropPath",
    "EmbeddingDropout",
    "ExpectedZoneout",
    "GaussianDropout",
    "MultiSampleDropout",
    "PatchDropout",
    "ScheduledDropout",
    "SpatialDropout",
    "StochasticDepth",
    "VariationalDropout",
    "VariationalRNN",
    "Zoneout",
    "concrete_regularizers",
    "depth_rates",
]
