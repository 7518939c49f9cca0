"""Converts a traced function to ONNX by tf2onnx, and writes what tf2onnx lacks or gets wrong."""
