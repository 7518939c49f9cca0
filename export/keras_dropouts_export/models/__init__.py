"""Makes Keras models that leave training: without dropout, or with constant rates."""
