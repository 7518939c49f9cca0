"""Holds a user's own layers and models, in a module beside the programs that train them."""

import keras
from keras import ops

import keras_dropouts as kd


@keras.saving.register_keras_serializable("tests_other_backends")
class Scale(keras.layers.Layer):
    """Multiplies by a learned number for each feature."""

    def build(self, shape):
        self.factor = self.add_weight((shape[-1],), "ones", name="factor")

    def call(self, x):
        return x * self.factor


class Unregistered(Scale):
    """The same, in a class that Keras does not know by its name."""


def softened(x):
    """Return an activation that is not registered."""
    return ops.tanh(x) + 0.1 * x


@keras.saving.register_keras_serializable("tests_other_backends")
class Tagger(keras.Model):
    """Reads tokens and their weights: two arguments, one of integers."""

    def __init__(self, words=11, **kwargs):
        super().__init__(**kwargs)
        self.words = words
        self.embed = keras.layers.Embedding(words, 6)
        self.scale = Scale()
        self.drop = kd.ScheduledDropout(0.4)
        self.read = keras.layers.GRU(5, dropout=0.3, return_sequences=True)
        self.score = keras.layers.Dense(3)

    def call(self, tokens, weights, training=False):
        x = self.scale(self.embed(tokens)) * weights[..., None]
        return self.score(self.read(self.drop(x, training=training), training=training))

    def get_config(self):
        return {**super().get_config(), "words": self.words}


@kd.register_noise
class Sparkle(keras.layers.Layer):
    """Dropout of the user's own, by another name than Keras's."""

    def __init__(self, rate=0.5, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, x):
        return keras.random.dropout(x, self.rate, seed=self.seed_generator)  # always

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
