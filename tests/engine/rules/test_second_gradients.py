"""The table is closed under its output: every gradient has a gradient, and a right one."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from all_rule_cases import CASES, Case
from rule_checks import Evaluator, compare_with_differences


def _chosen() -> list[Case]:
    """For each operator a case in double precision where there is one, that differences fit."""
    chosen: dict[str, Case] = {}
    for case in CASES:
        if not case.finite or not case.positions:
            continue
        best = chosen.get(case.op)
        if best is None or (_is_double(case) and not _is_double(best)):
            chosen[case.op] = case
    return list(chosen.values())


def _is_double(case: Case) -> bool:
    return all(array.dtype == np.float64 for array in case.feeds.values())


def _renamed(graph: onnx.ModelProto, prefix: str) -> None:
    """Outputs grad_x are called something else, for grad_x of the second gradient."""
    names = {o.name: prefix + o.name for o in graph.graph.output if o.name.startswith("grad_")}
    for node in graph.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for output in graph.graph.output:
        output.name = names.get(output.name, output.name)


@pytest.mark.sample(12)
@pytest.mark.parametrize("case", _chosen(), ids=lambda case: case.op)
def test_the_gradient_of_the_gradient(case):
    wrt = [f"x{position}" for position in case.positions]
    first = osc.differentiate(case.model(), of="y", wrt=wrt)
    _renamed(first, "first_")
    rng = np.random.default_rng(8)
    y = Evaluator(case.model(), case.runtime)(case.feeds)["y"]
    feeds = dict(case.feeds)
    if y.ndim:
        feeds["grad_y"] = np.asarray(rng.normal(size=y.shape), y.dtype)
        wrt = [*wrt, "grad_y"]
    target = f"first_grad_{wrt[0]}"
    evaluate = Evaluator(first, case.runtime)
    result = evaluate(feeds)[target]
    second = osc.differentiate(first, of=target, wrt=wrt)
    cotangent = np.asarray(rng.normal(size=result.shape), result.dtype)
    seed = {f"grad_{target}": cotangent} if result.ndim else {}
    cotangent = cotangent if result.ndim else np.ones((), result.dtype)
    gradients = Evaluator(second, case.runtime)(feeds | seed)
    for name in wrt:
        gradient = gradients[f"grad_{name}"]
        assert gradient.shape == feeds[name].shape
        assert np.isfinite(gradient).all()
        if _is_double(case) and y.dtype == result.dtype == np.float64:
            compare_with_differences(
                lambda given: {"y": evaluate(given)[target]},
                feeds, name, gradient, cotangent, True, rng,
            )  # fmt: skip
