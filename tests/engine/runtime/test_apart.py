"""Foreign files run in a process of their own: what it answers, and what becomes of its end."""

from __future__ import annotations

import os
import sys
import time

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model as text_model
from onnxscope.errors import InputError, ModelError, OutOfTimeError
from onnxscope.patience import limited_by
from onnxscope.runtime import apart
from onnxscope.runtime.apart import EndedError, prepare, run_apart, types_apart

SUM = text_model("""<ir_version: 8, opset_import: ["": 17]>
    g (float[N, 2] x) => (float[N, 2] y, seq(float[N, 2]) s) {
        y = Add (x, x)  s = SequenceConstruct (x, y)
    }""").SerializeToString()

# Its first output is left out, which version 1.31 of ONNX Runtime does not survive.
FATAL = onnx.helper.make_model(
    onnx.helper.make_graph(
        [onnx.helper.make_node("Split", ["x"], ["", "y"], axis=1, split=[2, 3])],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, [2, 5])],
        [onnx.helper.make_tensor_value_info("y", 1, [2, 3])],
    ),
    opset_imports=[onnx.helper.make_opsetid("", 11)],
    ir_version=4,
).SerializeToString()


def doubled() -> np.ndarray:
    return run_apart(SUM, {"x": np.ones((3, 2), np.float32)}, ["y", "s"])["y"]


def test_arrays_come_back() -> None:
    found = run_apart(SUM, {"x": np.ones((3, 2), np.float32)}, ["y", "s"])
    assert list(found) == ["y"]  # a sequence is no array
    np.testing.assert_array_equal(found["y"], np.full((3, 2), 2, np.float32))
    assert types_apart(SUM) == {
        "y": ("tensor(float)", ("N", 2)), "s": ("seq(tensor(float))", ())
    }  # fmt: skip


def test_its_end_is_told_and_another_is_started() -> None:
    doubled()
    with pytest.raises(EndedError, match="ONNX Runtime itself ends the process"):
        run_apart(FATAL, {"x": np.ones((2, 5), np.float32)}, ["y"])
    assert doubled()[0, 0] == 2


def test_one_that_has_ended_while_it_was_idle_is_replaced() -> None:
    doubled()
    assert apart._running is not None
    apart._running.kill()
    apart._running.wait(60)
    assert doubled()[0, 0] == 2


def test_errors_are_those_of_a_session() -> None:
    with pytest.raises(ModelError, match="ONNX Runtime refuses the graph"):
        run_apart(b"no model", {}, [])
    with pytest.raises(ModelError, match="in the middle of a run"):
        run_apart(SUM, {"x": np.ones((3, 5), np.float32)}, ["y"])
    assert doubled()[0, 0] == 2


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_memory_is_limited() -> None:
    large = text_model("""<ir_version: 8, opset_import: ["": 17]>
        g (int64[1] n) => (float[N] y) { y = ConstantOfShape (n) }""").SerializeToString()
    with pytest.raises(InputError, match="not enough memory"):
        run_apart(large, {"n": np.array([2**42])}, ["y"])
    assert doubled()[0, 0] == 2


class Half:
    """Half a second."""

    left = 0.5

    def check(self) -> None:
        """There is always time."""


def test_time_is_limited() -> None:
    slow = text_model("""<ir_version: 8, opset_import: ["": 17]>
        g (float[2] x) => (float[2] y) <int64 n = {1000000000}, bool t = {1}> {
            y = Loop <body = b (int64 i, bool c, float[2] p) => (bool d, float[2] q) {
                d = Identity (c)  q = Sin (p)
            }> (n, t, x)
        }""").SerializeToString()
    prepare()
    doubled()
    began = time.monotonic()
    with limited_by(Half()), pytest.raises(OutOfTimeError):
        run_apart(slow, {"x": np.ones(2, np.float32)}, ["y"])
    assert time.monotonic() - began < 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_is_forked_off_has_one_of_its_own() -> None:
    doubled()
    assert apart._running is not None
    first = apart._running.pid
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if doubled()[0, 0] == 2 and apart._running.pid != first else 2
            apart._end()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert doubled()[0, 0] == 2
    assert apart._running.pid == first
