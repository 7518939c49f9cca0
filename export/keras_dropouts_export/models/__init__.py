"""Models that leave training as Keras models: stripped of dropout, or with constant rates."""
