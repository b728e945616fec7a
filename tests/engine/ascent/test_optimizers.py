"""Optimizers against the papers' formulas in float64, in NumPy and as graphs; in recipes."""

from __future__ import annotations

import json

import numpy as np
import onnxscope as osc
import pytest
from graphs import run
from onnxscope.ascent.optimizers import OPTIMIZERS, GraphOptimizer, Optimizer
from onnxscope.ascent.registry import from_json, to_json
from onnxscope.errors import InputError
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of

EXAMPLES: dict[str, list[Optimizer]] = {
    "adam": [
        osc.Adam(),
        osc.Adam(0.3, beta1=0.5, beta2=0.9, epsilon=1e-3),
        osc.Adam(beta1=0),
        osc.Adam(schedule=osc.Cosine(warmup=3, last=0.1, steps=12)),
        osc.Adam(schedule=osc.Linear(steps=8)),
    ],
    "nadam": [osc.NAdam(), osc.NAdam(0.2, 0.8, 0.99, schedule=osc.Constant(warmup=4))],
    "lbfgs": [osc.LBFGS(), osc.LBFGS(0.5, history=3)],
    "momentum": [
        osc.Momentum(),
        osc.Momentum(0.2, beta=0),
        osc.Momentum(0.1, schedule=osc.Linear(steps=12)),
    ],
}
"""Some of each kind; a kind without an example fails."""

STEPS = 12
SHAPE = (2, 3, 4)


def gradients() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=SHAPE).astype(np.float32) * 10.0 ** (-i % 4) for i in range(STEPS)]


def by_graph(optimizer: GraphOptimizer, start: np.ndarray) -> list[np.ndarray]:
    """The parameters after each step, by the optimizer's own nodes."""
    builder = Builder("step")
    parameter = builder.input("parameter", SHAPE, np.float32)
    gradient = builder.input("gradient", SHAPE, np.float32)
    slots = {name: builder.input(name, SHAPE, np.float32) for name in optimizer.slots}
    schedule = {n: builder.input(f"now.{n}", (), np.float32) for n in optimizer.numbers(1)}
    successor, next_slots = optimizer.append(parameter, gradient, slots, schedule)
    builder.output("next.parameter", successor)
    for name in optimizer.slots:
        builder.output(f"next.{name}", next_slots[name])
    graph = model_of(builder)
    state = {"parameter": start} | {name: np.zeros_like(start) for name in optimizer.slots}
    found = []
    for step, array in enumerate(gradients(), 1):
        now = {f"now.{n}": np.array(v, np.float32) for n, v in optimizer.numbers(step).items()}
        outputs = run(graph, {**state, **now, "gradient": array})
        state = {name.removeprefix("next."): value for name, value in outputs.items()}
        found.append(state["parameter"])
    return found


def by_numpy(optimizer: Optimizer, start: np.ndarray) -> list[np.ndarray]:
    """The same by `update`, beside another parameter that has a state of its own."""
    optimizer.reset()
    parameters = {"one": start.copy(), "other": start.copy()}
    found = []
    for array in gradients():
        optimizer.update(parameters, {"one": array, "other": -array})
        found.append(parameters["one"].copy())
        np.testing.assert_allclose(parameters["other"] - start, start - found[-1], atol=1e-5)
    return found


@pytest.mark.parametrize("adam", EXAMPLES["adam"], ids=str)
def test_adam_is_the_papers(adam: osc.Adam) -> None:
    start = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    mean, square, wanted = np.zeros(SHAPE), np.zeros(SHAPE), start.astype(np.float64)
    in_numpy, in_graph = by_numpy(adam, start), by_graph(adam, start)
    for step, gradient in enumerate(gradients(), 1):
        mean = adam.beta1 * mean + (1 - adam.beta1) * gradient
        square = adam.beta2 * square + (1 - adam.beta2) * gradient.astype(np.float64) ** 2
        unbiased = mean / (1 - adam.beta1**step), square / (1 - adam.beta2**step)
        # Uphill.
        rate = adam.learning_rate * adam.schedule.factor(step)
        wanted = wanted + rate * unbiased[0] / (np.sqrt(unbiased[1]) + adam.epsilon)
        np.testing.assert_allclose(in_numpy[step - 1], wanted, atol=1e-5)
        np.testing.assert_allclose(in_graph[step - 1], wanted, atol=1e-5)
    assert (np.sign(in_graph[0] - start) == np.sign(gradients()[0])).all()


@pytest.mark.parametrize("nadam", EXAMPLES["nadam"], ids=str)
def test_nadam_is_dozats(nadam: osc.NAdam) -> None:
    # Algorithm 8 of Dozat (2016) with a constant momentum, whose product is a power.
    start = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    mean, square, wanted = np.zeros(SHAPE), np.zeros(SHAPE), start.astype(np.float64)
    in_numpy, in_graph = by_numpy(nadam, start), by_graph(nadam, start)
    beta1, beta2 = nadam.beta1, nadam.beta2
    for step, gradient in enumerate(gradients(), 1):
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient.astype(np.float64) ** 2
        ahead = beta1 * mean / (1 - beta1 ** (step + 1)) + (1 - beta1) * gradient / (
            1 - beta1**step
        )
        root = np.sqrt(square / (1 - beta2**step)) + nadam.epsilon
        wanted = wanted + nadam.learning_rate * nadam.schedule.factor(step) * ahead / root
        np.testing.assert_allclose(in_numpy[step - 1], wanted, atol=1e-5)
        np.testing.assert_allclose(in_graph[step - 1], wanted, atol=1e-5)


@pytest.mark.parametrize("momentum", EXAMPLES["momentum"], ids=str)
def test_momentum_goes_along_gradients_of_one_size(momentum: osc.Momentum) -> None:
    start = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    mean, wanted = np.zeros(SHAPE), start.astype(np.float64)
    in_numpy, in_graph = by_numpy(momentum, start), by_graph(momentum, start)
    for step, gradient in enumerate(gradients(), 1):
        # Each picture for itself.
        size = np.sqrt((gradient.astype(np.float64) ** 2).mean((1, 2), keepdims=True))
        mean = momentum.beta * mean + (1 - momentum.beta) * gradient / size
        rate = momentum.learning_rate * momentum.schedule.factor(step)
        wanted = wanted + rate * mean / (1 - momentum.beta**step)
        np.testing.assert_allclose(in_numpy[step - 1], wanted, atol=1e-5)
        np.testing.assert_allclose(in_graph[step - 1], wanted, atol=1e-5)


def test_momentum_stays_where_there_is_no_gradient() -> None:
    parameters = {"one": np.ones(SHAPE, np.float32)}
    osc.Momentum().update(parameters, {"one": np.zeros(SHAPE, np.float32)})
    np.testing.assert_array_equal(parameters["one"], 1)


@pytest.mark.parametrize("name", OPTIMIZERS.kinds)
def test_every_optimizer_is_the_same_in_numpy_and_as_a_graph(name: str) -> None:
    start = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    for optimizer in EXAMPLES[name]:
        if not isinstance(optimizer, GraphOptimizer):
            continue
        first = by_numpy(optimizer, start)
        for left, right in zip(first, by_graph(optimizer, start), strict=True):
            np.testing.assert_allclose(left, right, atol=1e-6, rtol=1e-5)
        # Nothing is left of an ascent behind `reset`.
        for left, right in zip(first, by_numpy(optimizer, start), strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("name", OPTIMIZERS.kinds)
def test_every_optimizer_goes_through_a_recipe(name: str) -> None:
    for optimizer in EXAMPLES[name]:
        written = to_json(optimizer)
        by_numpy(optimizer, np.zeros(SHAPE, np.float32))
        # Its state is no part of it.
        assert to_json(optimizer) == written
        assert list(written) == [name]
        again = from_json(json.loads(json.dumps(written, allow_nan=False)))
        assert type(again) is OPTIMIZERS.kinds[name]
        assert to_json(again) == written


def test_schedules_go_through_recipes() -> None:
    adam = osc.Adam(0.1, schedule=osc.Cosine(warmup=5, steps=128))
    written = to_json(adam)
    assert written["adam"]["schedule"] == {"cosine": {"warmup": 5, "last": 0.0, "steps": 128}}
    assert from_json(json.loads(json.dumps(written))) == adam
    with pytest.raises(
        InputError, match=r"the recipe's schedule .*'cubic'.* unknown; this version"
    ):
        from_json({"adam": {"schedule": {"cubic": {}}}})


def test_older_recipes_are_read() -> None:
    text = '{"adam": {"learning_rate": 0.02, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-08}}'
    assert from_json(json.loads(text)) == osc.Adam(0.02, beta1=0.9, beta2=0.999)
    assert from_json({"adam": {}}) == osc.Adam()


def test_adam_forgets_sooner_than_in_the_paper_and_nadam_does_not() -> None:
    adam, nadam = osc.Adam(), osc.NAdam()
    assert (adam.learning_rate, adam.beta1, adam.beta2) == (0.05, 0.7, 0.9)
    assert (nadam.learning_rate, nadam.beta1, nadam.beta2) == (0.05, 0.9, 0.999)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"adam": {"momentum": 1}}, "adam has no 'momentum'"),
        ({"adam": {"_count": 1}}, "adam has no '_count'"),
        ({"adam": {"learning_rate": -1}}, "the learning rate must be positive, not -1"),
        ({"adam": {"learning_rate": "x"}}, "learning_rate must be a number, not 'x'"),
        ({"adam": {"beta1": 1}}, "beta1 must be at least 0 and less than 1, not 1"),
        ({"momentum": {"beta": -1}}, "beta must be at least 0 and less than 1, not -1"),
        ({"adam": {"schedule": {"cosine": {"last": 2}}}}, r"last must be in \[0, 1\], not 2"),
        ({"adam": {"schedule": {"linear": {"steps": 0}}}}, "steps must be"),
        ({"sgd": {}}, "optimizer .*sgd.* is unknown; this version has adam"),
        ({"custom": "Mine"}, "only name the optimizer 'Mine', .* to remake as optimizer=…"),
    ],
)
def test_what_cannot_be_read_is_said(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        from_json(data)
    assert "\n" not in str(caught.value)
