"""From a traced function to an ONNX file: tf2onnx, and what it lacks or gets wrong."""
