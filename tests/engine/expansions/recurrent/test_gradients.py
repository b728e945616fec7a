"""Backpropagation through time by hand: the gradient that the nodes of the steps have."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from expansion_checks import RNG, node_model, values
from graphs import session
from onnxscope.gradient.walk import backpropagate
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.passes.plan import Plan
from onnxscope.graph.passes.precision import use_half
from onnxscope.importer.opsets import load_graph
from onnxscope.importer.replay import replay
from recurrences import INPUTS, RECURRENT, H, N, T, one_by_one, recurrent_arrays


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("op_type", "gates", "outputs", "options"), RECURRENT)
def test_a_recurrence_in_one_piece_has_the_gradient_of_its_nodes(
    op_type, gates, outputs, options, direction
):
    arrays = recurrent_arrays(op_type, gates, 2 if direction == "bidirectional" else 1)
    options = {"hidden_size": H, "direction": direction, **options}
    feeds = {f"i{i}": array for i, array in enumerate(arrays) if array is not None}
    for index in range(outputs):
        proto = node_model(op_type, arrays, outputs, **options)
        found = []
        for rules in (None, one_by_one()):
            graph = osc.differentiate(proto, of=f"o{index}", wrt=list(feeds), rules=rules)
            opened = session(graph)
            seed = {
                entry.name: np.random.default_rng(1).normal(size=entry.shape).astype(np.float32)
                for entry in opened.get_inputs()
                if entry.name.startswith("grad_")
            }
            names = [f"grad_{name}" for name in feeds]
            found.append((len(graph.graph.node), opened.run(names, feeds | seed)))
        (fewer, ours), (more, theirs) = found
        assert fewer < more
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-4, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("op_type", "gates", "outputs", "options"), RECURRENT)
def test_the_gradient_of_a_recurrences_gradient(op_type, gates, outputs, options):
    arrays = recurrent_arrays(op_type, gates, 2)
    proto = node_model(
        op_type, arrays, outputs, hidden_size=H, direction="bidirectional", **options
    )
    feeds = {f"i{i}": array for i, array in enumerate(arrays) if array is not None}
    feeds["grad_o0"] = values(T, 2, N, H)
    first = osc.differentiate(proto, of="o0", wrt=["i0"])
    kernel = session(first)
    second = osc.differentiate(first, of="grad_i0", wrt=list(feeds))
    cotangent = values(T, N, INPUTS)
    opened = session(second)
    names = [entry.name for entry in opened.get_outputs()][-len(feeds) :]
    results = opened.run(names, feeds | {"grad_grad_i0": cotangent})
    for (name, array), gradient in zip(feeds.items(), results, strict=True):
        direction = RNG.uniform(-1, 1, array.shape).astype(np.float32)

        def along(t, name=name, direction=direction):
            moved = feeds | {name: feeds[name] + np.float32(t) * direction}
            return float((kernel.run(["grad_i0"], moved)[0].astype(np.float64) * cotangent).sum())

        h = 0.02
        difference = (8 * (along(h) - along(-h)) - along(2 * h) + along(-2 * h)) / (12 * h)
        slope = float((gradient.astype(np.float64) * direction).sum())
        size = np.linalg.norm(gradient * direction) + 0.01 * np.linalg.norm(cotangent)
        assert abs(slope - difference) <= 3e-3 * max(size, abs(difference))


@pytest.mark.sample(2)
@pytest.mark.parametrize("steps", [1, T])
@pytest.mark.parametrize(("op_type", "gates", "outputs", "options"), RECURRENT)
def test_a_recurrence_in_half_precision_has_the_same_gradient(
    op_type, gates, outputs, options, steps
):
    # Its products are replaced by others: the gradient in one piece would lead to what is no more.
    weights_ = [array / 3 for array in recurrent_arrays(op_type, gates, 2)[1:4]]
    arrays = [values(steps, N, INPUTS), *weights_]
    constants = ("i1", "i2", "i3")
    proto = node_model(
        op_type, arrays, outputs, constants=constants, hidden_size=H, direction="bidirectional",
        **options,
    )  # fmt: skip
    found = []
    for half in (False, True):
        loaded = load_graph(proto)
        builder = Builder(opset=loaded.opset)
        x = builder.input("i0", arrays[0].shape, np.float32)
        # Products behind a first one are halved.
        mixed = x @ builder.constant(np.eye(INPUTS), np.float32)
        y = replay(builder, loaded.model.graph, {"i0": mixed}, ["o0"])["o0"]
        value = builder.output("value", (y * y).sum())
        if half:
            use_half(builder, Plan(half=x))
        seed = builder.constant(1, np.float32)
        dx = backpropagate(builder, {value: seed}, [x], osc.standard_rules())[0]
        builder.output("dx", dx)
        model = model_of(builder)
        assert half == any(node.op_type == "Cast" for node in model.graph.node)
        found.append(session(model).run(["dx"], {"i0": arrays[0]})[0])
    single, halved = found
    assert np.linalg.norm(halved - single) <= 5e-3 * np.linalg.norm(single)


@pytest.mark.slow
@pytest.mark.parametrize("wrt", [["i0"], ["i5"], ["i6"], ["i2", "i6"]])
@pytest.mark.parametrize("of", ["o0", "o1", "o2"])
def test_some_of_the_gradients_of_both_directions(of, wrt):
    arrays = recurrent_arrays("LSTM", 4, 2)
    proto = node_model("LSTM", arrays, 3, hidden_size=H, direction="bidirectional")
    feeds = {f"i{i}": array for i, array in enumerate(arrays) if array is not None}
    seed = {f"grad_{of}": values(*((T, 2, N, H) if of == "o0" else (2, N, H)))}
    names = [f"grad_{name}" for name in wrt]
    few = session(osc.differentiate(proto, of=of, wrt=wrt)).run(names, feeds | seed)
    everything = osc.differentiate(proto, of=of, wrt=list(feeds), rules=one_by_one())
    for mine, other in zip(few, session(everything).run(names, feeds | seed), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=2e-6)
