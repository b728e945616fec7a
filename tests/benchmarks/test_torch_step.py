"""PyTorch's step, the opponent, is the same step: same value, same gradient, same warps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnxscope.ascent.step import gradient_graph
from onnxscope.benchmarks import graphs
from onnxscope.benchmarks.subject import Subject, save_random
from onnxscope.parameterizations.fourier import Fourier
from onnxscope.runtime.session import open_session

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

SIZE = 64


@pytest.mark.parametrize(
    ("target", "kind"), [("fire3:7", "channel"), ("fire3:7", "neuron"), ("fire3", "layer")]
)
@pytest.mark.parametrize(
    # Coordinates that are exact in float32: kinks multiply roundings.
    ("matrix", "tolerance"),
    [([[1, 0, 0], [0, 1, 0]], 1e-4), ([[0.75, 0.125, 0.0625], [-0.125, 0.75, -0.03125]], 1e-2)],
)
def test_value_and_gradient_are_the_same(
    target: str, kind: str, matrix: list[list[float]], tolerance: float, tmp_path: Path
) -> None:
    from onnxscope.benchmarks.torch_network import torch_network
    from onnxscope.benchmarks.torch_step import Visualization, objective

    source = save_random("squeezenet", tmp_path)
    subject = Subject.of(source, target, kind=kind, size=SIZE, provider="cpu")
    composition = graphs.composition(subject)
    spectrum = Fourier(sd=1.0).initial(np.random.default_rng(1), 1, SIZE, SIZE)["spectrum"]
    forward = np.array([matrix], np.float32)
    session = open_session(gradient_graph(composition, composition.rules_for("cpu")), "cpu")
    ours = session.run(
        {"parameters.spectrum": spectrum, "transform0.matrix": forward.transpose(0, 2, 1)}
    )
    network = torch_network(subject.model, subject.layer, subject.shape)
    unit = None if kind == "layer" else subject.unit
    theirs = Visualization(network, objective(kind, unit), SIZE)
    with torch.no_grad():
        theirs.spectrum.copy_(torch.from_numpy(spectrum))
    centres = (np.arange(SIZE, dtype=np.float32) * 2 + 1) / SIZE - 1
    columns, rows = np.meshgrid(centres, centres)
    pixels = np.stack([columns, rows, np.ones_like(rows)], -1)
    value = theirs.value(torch.from_numpy(pixels @ forward[0].T)[None])
    value.sum().backward()
    expected = theirs.spectrum.grad.numpy().astype(np.float64)
    np.testing.assert_allclose(ours["value"], value.detach().numpy(), rtol=1e-4)
    distance = np.linalg.norm(ours["grad_parameters.spectrum"] - expected)
    assert distance <= tolerance * np.linalg.norm(expected)


def test_warps_are_onnxscopes_own() -> None:
    from onnxscope.benchmarks.torch_step import random_warps
    from onnxscope.transforms.presets import lucid
    from onnxscope.transforms.warp import Warp

    theirs = random_warps(np.random.default_rng(0), 4000, 224)
    ours = Warp(lucid()).draw(np.random.default_rng(0), 4000, 224, 224)["matrix"].transpose(0, 2, 1)
    np.testing.assert_allclose(theirs.std(0), ours.std(0), rtol=0.05)
    np.testing.assert_allclose(theirs.mean(0), ours.mean(0), atol=0.005)


def test_a_step_climbs(tmp_path: Path) -> None:
    from onnxscope.benchmarks.torch_network import torch_network
    from onnxscope.benchmarks.torch_step import Visualization, objective

    subject = Subject.of(save_random("squeezenet", tmp_path), "fire3", size=SIZE, provider="cpu")
    network = torch_network(subject.model, subject.layer, subject.shape)
    climber = Visualization(network, objective("layer", None), SIZE)
    values = [float(climber.step()[0]) for _ in range(24)]
    assert np.mean(values[-4:]) > 2 * np.mean(values[:4])
