"""What batch normalisations say of the pictures that a network was trained on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx_ir as ir


class ChannelStatistics(NamedTuple):
    """Mean and variance of each channel behind a batch normalisation, over training pictures.

    Attributes:
        means: (C,).
        variances: (C,).
    """

    means: np.ndarray
    variances: np.ndarray


def found_statistics(graph: ir.Graph) -> dict[str, ChannelStatistics]:
    """Return what the batch normalisations of a file hold, by the names of their results.

    Such a layer is normalised with the mean and variance that its inputs had in training, so that
    what comes out had the mean β and the variance γ² σ² / (σ² + ε) there, also where the arithmetic
    has since gone into the convolution before it.
    """
    found = {}
    for node in graph:
        if node.op_type != "BatchNormalization" or node.domain != "":
            continue
        constants = [None if v is None else v.const_value for v in node.inputs[1:5]]
        if len(constants) < 4 or node.attributes.get_int("training_mode", 0) == 1:
            continue
        arrays = [None if c is None else np.asarray(c.numpy(), np.float64) for c in constants]
        scale, shift, _, variance = arrays
        if scale is None or shift is None or variance is None or not node.outputs[0].name:
            continue
        epsilon = node.attributes.get_float("epsilon", 1e-5)
        found[node.outputs[0].name] = ChannelStatistics(
            shift, scale**2 * variance / (variance + epsilon)
        )
    return found
