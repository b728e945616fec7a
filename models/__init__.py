"""Published weights as ONNX."""
