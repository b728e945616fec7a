"""Inception v3 (Szegedy et al. 2015, "Rethinking the Inception Architecture", arXiv:1512.00567).

Layers carry the scope names of TensorFlow's release of December 2015 in every variant: `mixed_4`,
`mixed_4/tower_1/conv_2`. There, torchvision's `Mixed_6b` is `mixed_4`.
"""

from __future__ import annotations

from .parameters import Names, Normalization
from .steps import AveragePool, Classifier, Conv, Fork, MaxPool, Step
from .variants import Variant

SIZE = 299

_STEM = (
    Conv("conv", 32, (3, 3), 2, "valid"),
    Conv("conv_1", 32, (3, 3), 1, "valid"),
    Conv("conv_2", 64, (3, 3)),
    MaxPool("pool", padding="valid"),
    Conv("conv_3", 80),
    Conv("conv_4", 192, (3, 3), 1, "valid"),
    MaxPool("pool_1", padding="valid"),
)


def _block_35(name: str, pooled: int, *, count_padding: bool) -> Fork:
    """The block of the 35×35 maps, figure 5 of the paper with a 5×5 branch."""
    return Fork(
        name,
        (
            (Conv(f"{name}/conv", 64),),
            (Conv(f"{name}/tower/conv", 48), Conv(f"{name}/tower/conv_1", 64, (5, 5))),
            (
                Conv(f"{name}/tower_1/conv", 64),
                Conv(f"{name}/tower_1/conv_1", 96, (3, 3)),
                Conv(f"{name}/tower_1/conv_2", 96, (3, 3)),
            ),
            (
                AveragePool(f"{name}/tower_2/pool", count_padding),
                Conv(f"{name}/tower_2/conv", pooled),
            ),
        ),
    )


def _block_17(name: str, inner: int, *, count_padding: bool) -> Fork:
    """The block of the 17×17 maps, with 7×7 factored into 1×7 and 7×1: figure 6."""
    row, column = (1, 7), (7, 1)
    return Fork(
        name,
        (
            (Conv(f"{name}/conv", 192),),
            (
                Conv(f"{name}/tower/conv", inner),
                Conv(f"{name}/tower/conv_1", inner, row),
                Conv(f"{name}/tower/conv_2", 192, column),
            ),
            (
                Conv(f"{name}/tower_1/conv", inner),
                Conv(f"{name}/tower_1/conv_1", inner, column),
                Conv(f"{name}/tower_1/conv_2", inner, row),
                Conv(f"{name}/tower_1/conv_3", inner, column),
                Conv(f"{name}/tower_1/conv_4", 192, row),
            ),
            (
                AveragePool(f"{name}/tower_2/pool", count_padding),
                Conv(f"{name}/tower_2/conv", 192),
            ),
        ),
    )


def _block_8(name: str, pool: Step) -> Fork:
    """The block of the 8×8 maps, whose branches end in 1×3 beside 3×1: figure 7."""

    def sides(tower: str) -> tuple[Conv, ...]:
        scope = f"{name}/{tower}/mixed"
        return Conv(f"{scope}/conv", 384, (1, 3)), Conv(f"{scope}/conv_1", 384, (3, 1))

    return Fork(
        name,
        (
            (Conv(f"{name}/conv", 320),),
            (Conv(f"{name}/tower/conv", 384), sides("tower")),
            (
                Conv(f"{name}/tower_1/conv", 448),
                Conv(f"{name}/tower_1/conv_1", 384, (3, 3)),
                sides("tower_1"),
            ),
            (pool, Conv(f"{name}/tower_2/conv", 192)),
        ),
    )


_TO_17 = Fork(
    "mixed_3",
    (
        (Conv("mixed_3/conv", 384, (3, 3), 2, "valid"),),
        (
            Conv("mixed_3/tower/conv", 64),
            Conv("mixed_3/tower/conv_1", 96, (3, 3)),
            Conv("mixed_3/tower/conv_2", 96, (3, 3), 2, "valid"),
        ),
        (MaxPool("mixed_3/pool", padding="valid"),),
    ),
)

_TO_8 = Fork(
    "mixed_8",
    (
        (
            Conv("mixed_8/tower/conv", 192),
            Conv("mixed_8/tower/conv_1", 320, (3, 3), 2, "valid"),
        ),
        (
            Conv("mixed_8/tower_1/conv", 192),
            Conv("mixed_8/tower_1/conv_1", 192, (1, 7)),
            Conv("mixed_8/tower_1/conv_2", 192, (7, 1)),
            Conv("mixed_8/tower_1/conv_3", 192, (3, 3), 2, "valid"),
        ),
        (MaxPool("mixed_8/pool", padding="valid"),),
    ),
)


def _steps(*, count_padding: bool, last_pool: Step) -> tuple[Step, ...]:
    """All layers.

    Args:
        count_padding: Average pools count the padding as pixels of value 0: torchvision's do,
            TensorFlow's do not.
        last_pool: The pool of the last block, in the release of 2015 a maximum.
    """
    return (
        *_STEM,
        _block_35("mixed", 32, count_padding=count_padding),
        _block_35("mixed_1", 64, count_padding=count_padding),
        _block_35("mixed_2", 64, count_padding=count_padding),
        _TO_17,
        _block_17("mixed_4", 128, count_padding=count_padding),
        _block_17("mixed_5", 160, count_padding=count_padding),
        _block_17("mixed_6", 160, count_padding=count_padding),
        _block_17("mixed_7", 192, count_padding=count_padding),
        _TO_8,
        _block_8("mixed_9", AveragePool("mixed_9/tower_2/pool", count_padding)),
        _block_8("mixed_10", last_pool),
        Classifier("pool_3", "logits", "softmax", layer="classifier"),
    )


def _tensorflow(layer: str) -> Names:
    if layer == "classifier":
        return Names("softmax/weights", "softmax/biases")
    norm = f"{layer}/batchnorm"
    return Names(
        f"{layer}/conv2d_params",
        normalization=Normalization(
            f"{norm}/gamma", f"{norm}/beta", f"{norm}/moving_mean", f"{norm}/moving_variance"
        ),
    )


def _folded(layer: str) -> Names:
    scope = "softmax" if layer == "classifier" else layer
    return Names(f"{scope}/weights", f"{scope}/biases")


_TORCH_STEM = {
    "conv": "Conv2d_1a_3x3",
    "conv_1": "Conv2d_2a_3x3",
    "conv_2": "Conv2d_2b_3x3",
    "conv_3": "Conv2d_3b_1x1",
    "conv_4": "Conv2d_4a_3x3",
}

_TORCH_35 = {
    "conv": "branch1x1",
    "tower/conv": "branch5x5_1",
    "tower/conv_1": "branch5x5_2",
    "tower_1/conv": "branch3x3dbl_1",
    "tower_1/conv_1": "branch3x3dbl_2",
    "tower_1/conv_2": "branch3x3dbl_3",
    "tower_2/conv": "branch_pool",
}

_TORCH_TO_17 = {
    "conv": "branch3x3",
    "tower/conv": "branch3x3dbl_1",
    "tower/conv_1": "branch3x3dbl_2",
    "tower/conv_2": "branch3x3dbl_3",
}

_TORCH_17 = {
    "conv": "branch1x1",
    "tower/conv": "branch7x7_1",
    "tower/conv_1": "branch7x7_2",
    "tower/conv_2": "branch7x7_3",
    "tower_1/conv": "branch7x7dbl_1",
    "tower_1/conv_1": "branch7x7dbl_2",
    "tower_1/conv_2": "branch7x7dbl_3",
    "tower_1/conv_3": "branch7x7dbl_4",
    "tower_1/conv_4": "branch7x7dbl_5",
    "tower_2/conv": "branch_pool",
}

_TORCH_TO_8 = {
    "tower/conv": "branch3x3_1",
    "tower/conv_1": "branch3x3_2",
    "tower_1/conv": "branch7x7x3_1",
    "tower_1/conv_1": "branch7x7x3_2",
    "tower_1/conv_2": "branch7x7x3_3",
    "tower_1/conv_3": "branch7x7x3_4",
}

_TORCH_8 = {
    "conv": "branch1x1",
    "tower/conv": "branch3x3_1",
    "tower/mixed/conv": "branch3x3_2a",
    "tower/mixed/conv_1": "branch3x3_2b",
    "tower_1/conv": "branch3x3dbl_1",
    "tower_1/conv_1": "branch3x3dbl_2",
    "tower_1/mixed/conv": "branch3x3dbl_3a",
    "tower_1/mixed/conv_1": "branch3x3dbl_3b",
    "tower_2/conv": "branch_pool",
}

_TORCH_BLOCKS = {
    "mixed": ("Mixed_5b", _TORCH_35),
    "mixed_1": ("Mixed_5c", _TORCH_35),
    "mixed_2": ("Mixed_5d", _TORCH_35),
    "mixed_3": ("Mixed_6a", _TORCH_TO_17),
    "mixed_4": ("Mixed_6b", _TORCH_17),
    "mixed_5": ("Mixed_6c", _TORCH_17),
    "mixed_6": ("Mixed_6d", _TORCH_17),
    "mixed_7": ("Mixed_6e", _TORCH_17),
    "mixed_8": ("Mixed_7a", _TORCH_TO_8),
    "mixed_9": ("Mixed_7b", _TORCH_8),
    "mixed_10": ("Mixed_7c", _TORCH_8),
}


def _torchvision(layer: str) -> Names:
    if layer == "classifier":
        return Names("fc.weight", "fc.bias")
    block, _, inner = layer.partition("/")
    if inner:
        module, branches = _TORCH_BLOCKS[block]
        module = f"{module}.{branches[inner]}"
    else:
        module = _TORCH_STEM[layer]
    return Names(f"{module}.conv.weight", normalization=Normalization.of_torch(f"{module}.bn"))


_TENSORFLOW_STEPS = _steps(
    count_padding=False, last_pool=MaxPool("mixed_10/tower_2/pool", stride=1, padding="half")
)

VARIANTS = (
    Variant(
        title="TensorFlow, December 2015",
        signature=("conv/conv2d_params", "mixed/conv/conv2d_params"),
        names=_tensorflow,
        steps=_TENSORFLOW_STEPS,
        # The published graph computes (x − 128) / 128 from 0…255.
        scale=(255 / 128,) * 3,
        shift=(-1.0,) * 3,
        preprocessing="RGB, (255 x − 128) / 128 for x in [0, 1]",
        channels_last=True,
    ),
    Variant(
        title="TensorFlow, December 2015, batch normalisation folded",
        signature=("conv/weights", "mixed/conv/weights"),
        names=_folded,
        steps=_TENSORFLOW_STEPS,
        scale=(2.0,) * 3,
        shift=(-1.0,) * 3,
        preprocessing="RGB, 2 x − 1 for x in [0, 1]",
    ),
    Variant(
        title="torchvision and timm",
        signature=("Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch1x1.conv.weight"),
        names=_torchvision,
        steps=_steps(
            count_padding=True, last_pool=AveragePool("mixed_10/tower_2/pool", count_padding=True)
        ),
        # torchvision normalises by ImageNet's mean and deviation, and `transform_input` undoes
        # that: together 2 x − 1, which is what timm does with the same weights.
        scale=(2.0,) * 3,
        shift=(-1.0,) * 3,
        preprocessing="RGB, 2 x − 1 for x in [0, 1]",
    ),
)
