"""Traces a Keras model as a TensorFlow function of its inputs at inference."""
