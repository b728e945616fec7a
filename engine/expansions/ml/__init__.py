"""Traditional machine learning (ai.onnx.ml), written as standard operators."""
