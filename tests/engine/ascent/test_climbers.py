"""The compiled step and the one on the host: two ways to the same picture."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.ascent.climbers import Climber, make_climber
from onnxscope.ascent.climbing import Arrays
from onnxscope.ascent.compiled_climber import CompiledClimber, CompiledSessions
from onnxscope.ascent.composition import Composition
from onnxscope.ascent.host_climber import HostClimber
from onnxscope.ascent.optimizers import GraphOptimizer
from onnxscope.ascent.step import step_graph
from onnxscope.rules.standard import standard_rules
from onnxscope.transforms.composition import compose


def _composition(
    model: osc.Model, objective: osc.Objective, batch: int = 1, parameterization: object = None
) -> Composition:
    shape = parameterization or osc.Fourier()
    return Composition(model, objective, shape, compose(osc.lucid()), batch, 64, 80)


def _compiled(
    composition: Composition, parameters: Arrays, optimizer: osc.Adam, provider: str
) -> CompiledClimber:
    return CompiledClimber(CompiledSessions(composition, optimizer, provider), parameters)


def _climb(climber: Climber, composition: Composition, steps: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    values = []
    for step in range(1, steps + 1):
        data = composition.random_data(rng)
        value, finite = climber.step(data, redirect=step <= 16)
        assert finite
        values.append(value)
    return np.array(values), climber.images()


@pytest.mark.slow
@pytest.mark.parametrize("parameterization", [osc.Fourier(), osc.Pixels()])
def test_both_ways_agree_to_rounding(squeezenet: osc.Model, parameterization: object) -> None:
    composition = _composition(squeezenet, osc.channel("fire5", 100), 2, parameterization)
    results = []
    for kind in (HostClimber, _compiled):
        parameters = composition.parameters(np.random.default_rng(1))
        climber = kind(composition, parameters, osc.Adam(), "cpu")
        results.append((*_climb(climber, composition, 12), climber.importance()))
    (host_values, host_images, host_importance), (values, images, importance) = results
    # Rounding grows along an ascent, since each step starts where the last one ended.
    np.testing.assert_allclose(values[:2], host_values[:2], rtol=1e-5)
    np.testing.assert_allclose(values, host_values, rtol=2e-2)
    assert importance.shape == (2, 64, 80)
    assert np.abs(importance - host_importance).mean() < 0.05 * host_importance.mean()
    assert np.abs(images - host_images).mean() < 2e-3
    assert host_values[-1].min() > host_values[0].max()


@pytest.mark.slow
def test_both_ways_redirect_the_same_pictures(squeezenet: osc.Model) -> None:
    # A unit that is off: some pictures of a batch have a gradient at some steps, others have none.
    composition = _composition(squeezenet, osc.neuron("fire7", 33), 3)
    results = []
    for kind in (HostClimber, _compiled):
        climber = kind(
            composition, composition.parameters(np.random.default_rng(0)), osc.Adam(), "cpu"
        )
        values, _ = _climb(climber, composition, 3)
        results.append((climber.redirected, values))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][0].shape == (3,)
    assert results[0][0].any()
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_adam_is_compiled_and_others_run_on_the_host(squeezenet: osc.Model) -> None:
    class Ascent:
        def reset(self) -> None:
            self.steps = 0

        def update(self, parameters: dict[str, np.ndarray], gradients: object) -> None:
            self.steps += 1
            for name, gradient in gradients.items():
                parameters[name] += gradient / np.abs(gradient).max() * 0.1

    assert isinstance(osc.Adam(), GraphOptimizer)
    composition = _composition(squeezenet, osc.channel("fire5", 100))
    parameters = composition.parameters(np.random.default_rng(1))
    assert isinstance(make_climber(composition, parameters, osc.Adam(), "cpu"), CompiledClimber)
    own = Ascent()
    picture = osc.render(
        squeezenet, "fire5:100", size=64, steps=6, optimizer=own, provider="cpu", transforms=()
    )
    assert own.steps == 6
    assert picture.values[-1] > picture.values[0]


@pytest.mark.slow
def test_the_step_is_one_graph_of_standard_operators(squeezenet: osc.Model) -> None:
    composition = _composition(squeezenet, osc.channel("fire5", 100))
    graph = step_graph(composition, standard_rules(), osc.Adam())
    onnx.checker.check_model(graph, full_check=True)
    assert {node.domain for node in graph.graph.node} == {""}
    assert {i.name for i in graph.graph.input} == {
        "parameters.spectrum",
        "mean.parameters.spectrum",
        "square.parameters.spectrum",
        "importance",
        "transform0.matrix",
        "schedule.rate",
        "schedule.epsilon",
    }
    assert {o.name for o in graph.graph.output} == {
        "next.parameters.spectrum",
        "next.mean.parameters.spectrum",
        "next.square.parameters.spectrum",
        "next.importance",
        "value",
        "largest",
    }


def test_adam_is_the_papers() -> None:
    # Algorithm 1 of Kingma and Ba (2015), as written there, uphill.
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((5, 4)).astype(np.float32)
    theta, m, v = np.zeros(4), np.zeros(4), np.zeros(4)
    parameters = {"p": np.zeros(4, np.float32)}
    adam = osc.Adam(0.01, beta1=0.8, beta2=0.95, epsilon=1e-3)
    adam.reset()
    for t, g in enumerate(gradients.astype(np.float64), 1):
        m = 0.8 * m + 0.2 * g
        v = 0.95 * v + 0.05 * g * g
        theta = theta + 0.01 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)
        adam.update(parameters, {"p": gradients[t - 1]})
    np.testing.assert_allclose(parameters["p"], theta, rtol=1e-5)
