"""Bound sessions where CUDA refuses to capture a run, played on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from onnxscope.errors import ModelError
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.runtime.bound_session import BoundSession
from onnxscope.runtime.creation import Cuda, _options
from onnxscope.runtime.session import Provider, Session, open_session


def _doubling() -> Session:
    """`next.x` is 2 x + d, `value` its sum."""
    builder = Builder()
    x = builder.input("x", (3,), np.float32)
    d = builder.input("d", (3,), np.float32)
    after = builder.output("next.x", x * 2.0 + d)
    builder.output("value", after.sum([0], keepdims=True))
    return open_session(model_of(builder), "cpu")


class _Refusing:
    """Captures runs, until one is refused."""

    def __init__(self, good_runs: int) -> None:
        self._session = _doubling()
        self._left = good_runs
        self.numbers: list[int] = []
        self.provider = Provider("cpu")
        self.opened: list[str] = []

    def uncaptured(self, why: str) -> Session:
        self.opened.append(why)
        plain = _doubling()
        plain.provider = Provider("cpu", note=f"without: {why}")
        return plain

    def run_bound(self, binding: object, number: int = 0) -> None:
        if not self._left:
            raise ModelError("capture refused")
        self._left -= 1
        self.numbers.append(number)
        self._session.run_bound(binding)

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)


def _run(session: object, steps: int) -> tuple[BoundSession, list[float]]:
    bound = BoundSession(session, {"x": np.ones(3, np.float32)}, ["value"])
    data = {"d": np.array([1, 0, 0], np.float32)}
    return bound, [float(bound.run(data)["value"][0]) for _ in range(steps)]


@pytest.mark.parametrize("good_runs", [0, 1])
def test_a_refused_capture_loses_no_step(good_runs: int) -> None:
    refusing = _Refusing(good_runs)
    bound, values = _run(refusing, 5)
    assert values == _run(_doubling(), 5)[1]
    assert refusing.opened == ["capture refused"]
    assert bound.provider.note == "without: capture refused"
    assert refusing.numbers == list(range(good_runs))


def test_a_failure_after_both_captures_is_an_error() -> None:
    refusing = _Refusing(2)
    with pytest.raises(ModelError, match="capture refused"):
        _run(refusing, 3)
    assert refusing.numbers == [0, 1]


def test_what_cuda_is_told() -> None:
    assert _options("cpu", Cuda(graphs=True)) == {}
    told = _options("cuda", Cuda(tf32=False, graphs=True))
    assert (told["use_tf32"], told["enable_cuda_graph"]) == ("0", "1")
    assert _options("cuda", Cuda())["enable_cuda_graph"] == "0"
