"""ONNX Runtime's own operators (com.microsoft), written as standard ones."""
