"""Real Inception v3 weights against exact values from another framework."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ad
import onnxruntime
import onnxscope as osc
import pytest
from onnxscope.gradient.objective import append_objective
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of

pytestmark = pytest.mark.slow

OBJECTIVES = {
    "mixed_4:300 channel": osc.channel("mixed_4", 300),
    "mixed_6:5 neuron": osc.neuron("mixed_6", 5),
    "mixed_2 deepdream": osc.layer("mixed_2"),
    "mixed_7:100 channel": osc.channel("mixed_7", 100),
    "mixed_3:50 channel": osc.channel("mixed_3", 50),
}


@pytest.fixture(params=OBJECTIVES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_activations(
    inception_v3: osc.Model, flower: np.ndarray, reference: dict[str, np.ndarray]
) -> None:
    layers = ["mixed", *(f"mixed_{number}" for number in range(1, 9))]
    for layer, values in inception_v3.activations(flower, layers).items():
        for statistic, found in (("mean", values[0].mean((1, 2))), ("max", values[0].max((1, 2)))):
            wanted = reference[f"{layer}/{statistic}"]
            # A channel that hardly fires has no relative precision of its own.
            scale = np.maximum(np.abs(wanted), 1e-3 * np.abs(wanted).max())
            assert (np.abs(found - wanted) / scale).max() < 1e-3, f"{layer}/{statistic}"


def test_gradient_against_float64(
    inception_v3: osc.Model, flower: np.ndarray, reference: dict[str, np.ndarray], name: str
) -> None:
    value, gradient = osc.Gradient(inception_v3, OBJECTIVES[name], provider="cpu")(flower)
    wanted = reference[f"{name}/grad"].transpose(1, 2, 0)
    assert value[0] == pytest.approx(float(reference[f"{name}/value"]), rel=1e-4)
    assert np.linalg.norm(gradient - wanted) <= 2e-2 * np.linalg.norm(wanted)
    cosine = (gradient * wanted).sum() / np.linalg.norm(gradient) / np.linalg.norm(wanted)
    assert cosine >= 0.9998


def test_gradient_against_an_independent_float32_gradient(
    inception_v3: osc.Model, flower: np.ndarray, name: str
) -> None:
    # The same forward graph, differentiated by somebody else's rules: masks and pooling winners
    # are the same, and what is left is the order of summation.
    builder = Builder()
    image = builder.input("image", (1, 3, 224, 224), np.float32)
    value = append_objective(inception_v3, OBJECTIVES[name], image)
    builder.output("value", value)
    forward = model_of(builder)
    model = onnx_ad.reverse(forward, outputs=["value"], inputs=["image"], layout="onnx")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    batch = (flower.astype(np.float32) / 255).transpose(2, 0, 1)[None]
    seeds = {i.name: np.ones((1, 1), np.float32) for i in session.get_inputs()[1:]}
    outputs = dict(
        zip(
            [o.name for o in session.get_outputs()],
            session.run(None, {"image": batch, **seeds}),
            strict=True,
        )
    )
    wanted = next(v for k, v in outputs.items() if k != "value").reshape(3, 224, 224)
    _, gradient = osc.Gradient(inception_v3, OBJECTIVES[name], provider="cpu")(flower)
    error = np.linalg.norm(gradient.transpose(2, 0, 1) - wanted) / np.linalg.norm(wanted)
    assert error <= 1e-5


def test_a_grey_neuron_is_redirected(inception_v3: osc.Model) -> None:
    # On noise the unit is off, and so is its gradient; nothing but chance would ever start it.
    target = osc.neuron("mixed_4", 11)
    plain = {"size": 224, "transforms": (), "provider": "cpu", "leak": 0}
    stuck = osc.render(inception_v3, target, steps=4, redirect_steps=0, **plain)
    assert not stuck.values.any()
    assert any("stayed at 0" in warning for warning in stuck.warnings)
    picture = osc.render(inception_v3, target, steps=24, **plain)
    assert picture.values[-1] > 1
    assert not picture.warnings


def test_saved_gradient_runs_in_plain_onnx_runtime(
    inception_v3: osc.Model, flower: np.ndarray, tmp_path: pytest.TempPathFactory
) -> None:
    gradient = osc.Gradient(inception_v3, "mixed_2:50", provider="cpu")
    path = gradient.save(tmp_path / "gradient.onnx", size=224)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    assert {node.domain for node in proto.graph.node} == {""}
    assert proto.ir_version <= 13
    assert 18 <= proto.opset_import[0].version <= 21
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    batch = (flower.astype(np.float32) / 255).transpose(2, 0, 1)[None]
    value, dx = session.run(["value", "grad_image"], {"image": batch})
    expected_value, expected = gradient(flower)
    # The other one is in the forms that are fastest on the CPU.
    np.testing.assert_allclose(value, expected_value, rtol=1e-5)
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(dx[0].transpose(1, 2, 0), expected, rtol=0, atol=tolerance)
