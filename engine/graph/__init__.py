"""Reads and writes ONNX; knows operators, but no network, no gradient, no runtime."""
