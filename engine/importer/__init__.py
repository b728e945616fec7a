"""Makes a foreign file a graph of a known opset, and writes it behind any input."""
