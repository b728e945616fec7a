"""How much channels count for a target, against what is known of small networks."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import LayerError, TargetError
from small_networks import DENSE, SIZE, network


def test_of_a_linear_readout() -> None:
    """A class is the mean over cells of weighted channels: each counts by weight times cell."""
    model = osc.load(network(), input_range=(0, 1))
    photos = np.random.default_rng(0).random((3, SIZE, SIZE, 3), np.float32)
    found = osc.relevance(model, "scores:2", "second", photos, provider="cpu")
    second = model.activations(photos, "second")["second"].astype(np.float64)
    counts = (second * DENSE[:, 2, None, None]).max((2, 3)) / second[0, 0].size
    low, high = counts.min(1, keepdims=True), counts.max(1, keepdims=True)
    np.testing.assert_allclose(found, ((counts - low) / (high - low)).mean(0), atol=1e-5)
    assert found.dtype == np.float32
    assert (found.min() >= 0) & (found.max() <= 1)


@pytest.mark.slow
def test_a_channel_counts_for_itself(squeezenet: osc.Model, flower: np.ndarray) -> None:
    found = osc.relevance(squeezenet, "fire5:11", "fire4", [flower], provider="cpu")
    assert found.shape == (256,)
    # What counts for it, counts: a picture that is like the photo there alone has more of it.
    alike = osc.relevance(squeezenet, osc.channel("fire5", 11), "fire4", flower, provider="cpu")
    np.testing.assert_array_equal(found, alike)
    near = osc.distribution(
        "fire4", squeezenet.activations(osc.fit(flower, squeezenet), "fire4")["fire4"], found
    )
    given = {"size": 64, "steps": 24, "provider": "cpu"}
    both = osc.render(squeezenet, osc.channel("fire5", 11) - 20 * near, **given)
    assert both.values[-4:].mean() > both.values[:4].mean()


def test_what_is_refused(squeezenet: osc.Model, flower: np.ndarray) -> None:
    with pytest.raises(TargetError, match="not computed from fire8"):
        osc.relevance(squeezenet, "fire5:11", "fire8", flower)
    with pytest.raises(LayerError, match="no cells"):
        osc.relevance(squeezenet, "daisy", "logits", flower)
    with pytest.raises(TargetError, match="compares pictures"):
        osc.relevance(squeezenet, osc.diversity("fire5"), "fire4", flower)
