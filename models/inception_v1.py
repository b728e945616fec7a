"""Inception v1, GoogLeNet (Szegedy et al. 2014, "Going Deeper with Convolutions", arXiv:1409.4842).

Layers carry the names of TensorFlow's release, which Lucid and Distill's articles use, in every
variant: `mixed4a` is Caffe's `inception_4a/output` and torchvision's `inception4a`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .network import Padding
from .parameters import Names, Normalization
from .steps import Classifier, Conv, Fork, LocalResponseNorm, MaxPool, Step
from .variants import Variant

SIZE = 224


@dataclass(frozen=True)
class _Widths:
    """Channels of one block: of its 1×1, 3×3 and 5×5 branches and its pool's projection."""

    one: int
    three_bottleneck: int
    three: int
    five_bottleneck: int
    five: int
    pool: int


# Table 1 of the paper.
_PAPER = {
    "mixed3a": _Widths(64, 96, 128, 16, 32, 32),
    "mixed3b": _Widths(128, 128, 192, 32, 96, 64),
    "mixed4a": _Widths(192, 96, 208, 16, 48, 64),
    "mixed4b": _Widths(160, 112, 224, 24, 64, 64),
    "mixed4c": _Widths(128, 128, 256, 24, 64, 64),
    "mixed4d": _Widths(112, 144, 288, 32, 64, 64),
    "mixed4e": _Widths(256, 160, 320, 32, 128, 128),
    "mixed5a": _Widths(256, 160, 320, 32, 128, 128),
    "mixed5b": _Widths(384, 192, 384, 48, 128, 128),
}

# The released network differs from the paper in two numbers.
_TENSORFLOW = _PAPER | {
    "mixed4a": _Widths(192, 96, 204, 16, 48, 64),
    "mixed5a": _Widths(256, 160, 320, 48, 128, 128),
}


def _block(name: str, widths: _Widths, five: int) -> Fork:
    """An Inception block, figure 2b of the paper; `five` is the side of its "5×5" windows."""
    return Fork(
        name,
        (
            (Conv(f"{name}_1x1", widths.one),),
            (
                Conv(f"{name}_3x3_bottleneck", widths.three_bottleneck),
                Conv(f"{name}_3x3", widths.three, (3, 3)),
            ),
            (
                Conv(f"{name}_5x5_bottleneck", widths.five_bottleneck),
                Conv(f"{name}_5x5", widths.five, (five, five)),
            ),
            (
                MaxPool(f"{name}_pool", stride=1, padding="half"),
                Conv(f"{name}_pool_reduce", widths.pool),
            ),
        ),
        pre_relu=True,
    )


def _steps(
    widths: dict[str, _Widths],
    *,
    first: Padding,
    pools: Sequence[MaxPool],
    norms: Sequence[LocalResponseNorm] = (),
    five: int = 5,
) -> tuple[Step, ...]:
    """All layers.

    Args:
        widths: Channels by block.
        first: How the first convolution pads.
        pools: The four between convolutions and blocks.
        norms: The two behind `conv2d0` and `conv2d2`, or none.
        five: As in `_block`.
    """
    blocks = {name: _block(name, width, five) for name, width in widths.items()}
    return (
        Conv("conv2d0", 64, (7, 7), 2, first),
        pools[0],
        *norms[:1],
        Conv("conv2d1", 64),
        Conv("conv2d2", 192, (3, 3)),
        *norms[1:],
        pools[1],
        blocks["mixed3a"],
        blocks["mixed3b"],
        pools[2],
        *(blocks[f"mixed4{letter}"] for letter in "abcde"),
        pools[3],
        blocks["mixed5a"],
        blocks["mixed5b"],
        Classifier("avgpool0", "softmax2_pre_activation", "softmax2", layer="softmax2"),
    )


def _pools(padding: Padding, *, ceil: bool, last: int = 3) -> tuple[MaxPool, ...]:
    """The four pools between the blocks, named after the convolution that they follow."""
    sizes = {"maxpool0": 3, "maxpool1": 3, "maxpool4": 3, "maxpool10": last}
    return tuple(MaxPool(name, size, 2, padding, ceil) for name, size in sizes.items())


def _norms(size: int, alpha: float, beta: float, bias: float) -> tuple[LocalResponseNorm, ...]:
    return tuple(
        LocalResponseNorm(f"localresponsenorm{index}", size, alpha, beta, bias)
        for index in range(2)
    )


def _tensorflow(layer: str) -> Names:
    return Names(f"{layer}_w", f"{layer}_b")


def _pytorch(layer: str) -> Names:
    matrix = "softmax2_pre_activation_matmul"
    module = matrix if layer == "softmax2" else f"{layer}_pre_relu_conv"
    return Names(f"{module}.weight", f"{module}.bias")


_CAFFE_NAMES = {
    "conv2d0": "conv1/7x7_s2",
    "conv2d1": "conv2/3x3_reduce",
    "conv2d2": "conv2/3x3",
    "softmax2": "loss3/classifier",
}

_CAFFE_BRANCHES = {
    "1x1": "1x1",
    "3x3_bottleneck": "3x3_reduce",
    "3x3": "3x3",
    "5x5_bottleneck": "5x5_reduce",
    "5x5": "5x5",
    "pool_reduce": "pool_proj",
}


def _caffe(layer: str) -> Names:
    name = _CAFFE_NAMES.get(layer)
    if name is None:
        block, _, branch = layer.removeprefix("mixed").partition("_")
        name = f"inception_{block}/{_CAFFE_BRANCHES[branch]}"
    return Names(f"{name}/0", f"{name}/1")


_TORCHVISION_NAMES = {"conv2d0": "conv1", "conv2d1": "conv2", "conv2d2": "conv3"}

_TORCHVISION_BRANCHES = {
    "1x1": "branch1",
    "3x3_bottleneck": "branch2.0",
    "3x3": "branch2.1",
    "5x5_bottleneck": "branch3.0",
    "5x5": "branch3.1",
    "pool_reduce": "branch4.1",
}


def _torchvision(layer: str) -> Names:
    if layer == "softmax2":
        return Names("fc.weight", "fc.bias")
    module = _TORCHVISION_NAMES.get(layer)
    if module is None:
        block, _, branch = layer.removeprefix("mixed").partition("_")
        module = f"inception{block}.{_TORCHVISION_BRANCHES[branch]}"
    return Names(f"{module}.conv.weight", normalization=Normalization.of_torch(f"{module}.bn"))


# TensorFlow's LRN has depth_radius 5, bias 2, alpha 1e-4 and beta 0.5; its alpha multiplies the sum
# over the window of 11, ONNX's the mean.
_TENSORFLOW_STEPS = _steps(
    _TENSORFLOW,
    first="same",
    pools=_pools("same", ceil=False),
    norms=_norms(11, 11e-4, 0.5, 2.0),
)

_TENSORFLOW_INPUT = ((255.0,) * 3, (-117.0,) * 3, "RGB, 255 x − 117 for x in [0, 1]")

VARIANTS = (
    Variant(
        "TensorFlow, inception5h",
        ("conv2d0_w", "mixed3a_1x1_w"),
        _tensorflow,
        _TENSORFLOW_STEPS,
        *_TENSORFLOW_INPUT,
        channels_last=True,
    ),
    Variant(
        "inception5h for PyTorch",
        ("conv2d0_pre_relu_conv.weight", "mixed3a_1x1_pre_relu_conv.weight"),
        _pytorch,
        _TENSORFLOW_STEPS,
        *_TENSORFLOW_INPUT,
    ),
    Variant(
        "Caffe, BVLC GoogLeNet",
        ("conv1/7x7_s2/0", "inception_3a/1x1/0"),
        _caffe,
        _steps(
            _PAPER,
            first="half",
            pools=_pools("valid", ceil=True),
            # Caffe divides alpha by the window's size, as ONNX does.
            norms=_norms(5, 1e-4, 0.75, 1.0),
        ),
        (255.0,) * 3,
        (-123.0, -117.0, -104.0),
        "BGR, 255 x − (104, 117, 123) for x in [0, 1]",
        bgr_layer="conv2d0",
    ),
    Variant(
        "torchvision",
        ("inception3a.branch1.conv.weight", "inception3a.branch2.0.conv.weight"),
        _torchvision,
        _steps(
            _PAPER,
            first="half",
            pools=_pools("valid", ceil=True, last=2),
            # Its "5×5" branch is 3×3, a slip that was kept with the weights.
            five=3,
        ),
        # Normalised by ImageNet's mean and deviation, which `transform_input` then undoes.
        (2.0,) * 3,
        (-1.0,) * 3,
        "RGB, 2 x − 1 for x in [0, 1]",
    ),
)
