"""The functions by which a model leaves training as an artifact, one for each format."""
