"""The LiteRT format: made by TensorFlow's converter, audited and run in the LiteRT interpreter."""
