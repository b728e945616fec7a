"""ONNX graphs: building, loading, naming, cutting."""
