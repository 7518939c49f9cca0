"""From a Keras model to the function that it is at inference."""
