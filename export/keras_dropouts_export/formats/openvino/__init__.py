"""The OpenVINO format: read from a SavedModel, audited by its layers, run on OpenVINO's CPU."""
