"""Speed as a ratio to what a user would pick instead, measured side by side in one run.

Installed as `onnxscope.benchmarks`, for `onnxscope bench` and for the scripts in this folder. The
contestants are PyTorch, Lucent and onnx-ad where they are installed; nothing here needs them.
"""
