"""`python -m onnxscope` is the command `onnxscope`."""

from .cli import main

if __name__ == "__main__":
    main()
