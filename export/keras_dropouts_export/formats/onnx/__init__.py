"""Writes, audits and runs ONNX files: by tf2onnx, by their nodes and in onnxruntime."""
