"""EfficientNet-Lite0, Google 2020: EfficientNet (Tan and Le, arXiv:1905.11946) for small devices.

Against EfficientNet-B0 it has no squeeze-and-excitation and ReLU6 for swish. The published tensors
have the names of the PyTorch package `efficientnet_lite_pytorch`; padding is TensorFlow's.
"""

from __future__ import annotations

from .parameters import Names, Normalization
from .steps import Classifier, Conv, Residual, Step
from .variants import Variant

SIZE = 224

# Of each group of blocks: how many, side of the window, stride of the first, expansion, channels.
_GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

_NORM_OF = {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}


def _block(
    name: str, side: int, stride: int, expansion: int, inputs: int, channels: int
) -> tuple[Step, ...]:
    """An inverted residual with a linear bottleneck (Sandler et al., arXiv:1801.04381)."""
    inner = inputs * expansion
    expand = (Conv(f"{name}_expand", inner, activation="relu6"),) if expansion > 1 else ()
    steps = (
        *expand,
        Conv(f"{name}_depthwise", inner, (side, side), stride, "same", "relu6", depthwise=True),
        Conv(f"{name}_project", channels, activation=None),
    )
    return (Residual(name, steps),) if stride == 1 and inputs == channels else steps


def _steps() -> tuple[Step, ...]:
    steps: list[Step] = [Conv("stem", 32, (3, 3), 2, "same", "relu6")]
    inputs, index = 32, 0
    for count, side, first_stride, expansion, channels in _GROUPS:
        for at in range(count):
            stride = 1 if at else first_stride
            steps += _block(f"blocks_{index}", side, stride, expansion, inputs, channels)
            inputs, index = channels, index + 1
    steps.append(Conv("head", 1280, activation="relu6"))
    steps.append(Classifier("pool", "logits", "softmax", layer="classifier"))
    return tuple(steps)


def _names(layer: str) -> Names:
    if layer == "classifier":
        return Names("_fc.weight", "_fc.bias")
    if layer in ("stem", "head"):
        norm = Normalization.of_torch("_bn0" if layer == "stem" else "_bn1")
        return Names(f"_conv_{layer}.weight", normalization=norm)
    _, index, kind = layer.split("_")
    block, conv = f"_blocks.{index}", f"_{kind}_conv"
    norm = Normalization.of_torch(f"{block}.{_NORM_OF[conv]}")
    return Names(f"{block}.{conv}.weight", normalization=norm)


VARIANTS = (
    Variant(
        "efficientnet_lite_pytorch",
        ("_blocks.0._depthwise_conv.weight", "_conv_stem.weight"),
        _names,
        _steps(),
        # TensorFlow's original takes (x − 127) / 128 from 0…255, and the weights are its own: with
        # that, and not with PyTorch's usual mean and deviation, the outputs of the first
        # convolution have the variances that its batch normalisation recorded in training.
        (255 / 128,) * 3,
        (-127 / 128,) * 3,
        "RGB, (255 x − 127) / 128 for x in [0, 1]",
        # EfficientNet-B0 is named alike; squeeze-and-excitation gives it away.
        foreign=("_blocks.0._se_reduce.weight", "_blocks.1._se_reduce.weight"),
    ),
)
