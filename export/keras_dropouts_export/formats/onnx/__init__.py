"""The ONNX format: converted by tf2onnx, audited by its nodes, run by onnxruntime."""
