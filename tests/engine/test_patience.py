"""A time limit around a work: nodes that are appended and runs keep to it."""

from __future__ import annotations

import numpy as np
import pytest
from onnxscope.errors import OutOfTimeError
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.patience import limited_by, require_time, seconds_left
from onnxscope.runtime.session import open_session
from onnxscope.verification.budget import Budget


class _Up:
    left = 0.0

    def check(self) -> None:
        raise OutOfTimeError("up")


def test_without_a_limit_there_is_time():
    require_time()
    assert seconds_left() is None


def test_limits_lie_inside_of_each_other():
    with limited_by(Budget(600)):
        require_time()
        assert 0 < seconds_left() <= 600
        with limited_by(_Up()), pytest.raises(OutOfTimeError, match="up"):
            require_time()
        require_time()
    assert seconds_left() is None


@pytest.mark.slow
def test_no_node_is_appended_and_no_graph_runs_when_the_time_is_up():
    builder = Builder()
    x = builder.input("x", (4096, 64), np.float32)
    y = x
    for _ in range(200):
        y = builder.op.Tanh(y @ builder.constant(np.eye(64), np.float32))
    with limited_by(_Up()), pytest.raises(OutOfTimeError, match="up"):
        builder.op.Tanh(y)
    builder.output("y", y)
    session = open_session(model_of(builder), "cpu")
    feeds = {"x": np.zeros((4096, 64), np.float32)}
    with limited_by(_Up()), pytest.raises(OutOfTimeError, match="a run was stopped"):
        session.run(feeds)
    assert session.run(feeds).keys() == {"y"}
