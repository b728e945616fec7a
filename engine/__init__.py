"""Feature visualization for any ONNX model."""
