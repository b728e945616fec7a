"""Time and memory that are too short: fewer directions, smaller pictures, and it is said."""

from __future__ import annotations

import itertools
import json
import time

import numpy as np
import onnxscope as osc
import pytest
from graphs import model, text_model
from onnx import helper
from onnxscope.errors import InputError, MemoryShortageError, OutOfTimeError
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable
from onnxscope.runtime.session import open_session
from onnxscope.verification import forward
from onnxscope.verification.budget import Budget
from onnxscope.verification.forward import Forward

OPEN = "g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) { y = Tanh(x) }"


def _deep(layers=400, size=64):
    """Matrix products one after the other: each node is short, and all together take a while."""
    nodes = []
    for number in range(layers):
        nodes.append(helper.make_node("MatMul", [f"x{number}", "w"], [f"p{number}"]))
        nodes.append(helper.make_node("Tanh", [f"p{number}"], [f"x{number + 1}"]))
    w = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32) / size**0.5
    return model(nodes, {"x0": (np.float32, (4096, size))}, [f"x{layers}"], {"w": w})


@pytest.mark.slow
def test_a_run_is_stopped_when_its_time_is_up():
    session = open_session(_deep(), "cpu")
    x = np.zeros((4096, 64), np.float32)
    with pytest.raises(OutOfTimeError, match=r"stopped after 0\.01 s"):
        session.run({"x0": x}, seconds=0.01)
    # The session is as good as before.
    assert session.run({"x0": x}, seconds=600).keys() == {"x400"}


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by a second whenever it is looked at."""
    ticks = itertools.count()
    monkeypatch.setattr("onnxscope.verification.budget.time.monotonic", lambda: float(next(ticks)))


def test_a_budget(clock):
    said = []
    budget = Budget(6, said.append)
    assert budget.left == 5
    with budget.within(0.5):
        assert budget.left == 1
        with pytest.raises(OutOfTimeError, match="the time of 6 s is up"):
            budget.begin("too late")
    budget.begin("in time")
    assert said == ["in time"]
    assert Budget(None).left is None


def test_too_little_time_for_anything_is_said():
    with pytest.raises(InputError, match="was up before anything could be compared"):
        osc.verify(_deep(100), timeout=0.001)


@pytest.mark.slow
def test_a_long_network_is_no_reason_to_go_on():
    nodes = [helper.make_node("Sin", [f"x{n}"], [f"x{n + 1}"]) for n in range(8000)]
    proto = model(nodes, {"x0": (np.float32, (4, 8))}, ["x8000"])
    began = time.monotonic()
    with pytest.raises(InputError, match="the time of 1 s was up before anything"):
        osc.verify(proto, timeout=1)
    # Writing its nodes takes five seconds, and its gradient's ten more.
    assert time.monotonic() - began < 4


def _with_little_memory(monkeypatch, size):
    monkeypatch.setattr("onnxscope.runtime.memory.available_memory", lambda: size)


def test_what_does_not_fit_into_memory_is_refused(monkeypatch):
    proto = text_model("g (float[1, 3, H, W] x) => (float[1, 3, H, W] y) { t = Sin(x) y = Sin(t) }")
    _with_little_memory(monkeypatch, 2**30)
    with pytest.raises(MemoryShortageError, match="a random picture of 20000×20000 pixels needs"):
        osc.verify(proto, size=20000)
    with pytest.raises(MemoryShortageError, match=r"the input 'x' needs about 13 GiB and 1\.0 GiB"):
        osc.verify(proto, shapes={"x": (1, 3, 20000, 20000)})
    _with_little_memory(monkeypatch, 20 * 2**20)
    with pytest.raises(
        MemoryShortageError, match=r"the gradient needs about .* smaller size or sh"
    ):
        osc.verify(proto, shapes={"x": (1, 3, 256, 256)})
    with pytest.raises(MemoryShortageError, match="the gradient needs about"):
        osc.verify(proto, size=256)


def test_a_gradient_that_does_not_fit_into_memory_is_refused(monkeypatch):
    proto = text_model("g (float[1, 3, H, W] x) => (float[1, 3, H, W] y) { t = Sin(x) y = Sin(t) }")
    gradient = osc.Gradient(osc.load(proto, input_range=(0, 1)), osc.channel("y", 0))
    _with_little_memory(monkeypatch, 20 * 2**20)
    with pytest.raises(MemoryShortageError, match="a picture needs about"):
        gradient(np.zeros((512, 512, 3), np.float32))
    value, _ = gradient(np.zeros((16, 16, 3), np.float32))
    assert value.shape == (1,)


def test_too_little_time_for_one_direction_is_said(monkeypatch):
    def short(self, *arguments):
        raise OutOfTimeError("up")

    monkeypatch.setattr("onnxscope.verification.places.Places._slope", short)
    found = osc.verify(text_model(OPEN), size=16)
    assert found.verdict == "cannot tell"
    assert "before a direction was compared" in found.cause
    assert json.loads(json.dumps(found.to_json()))["checks"] == []


def test_fewer_directions_where_runs_are_slow(monkeypatch):
    def slow(self, *arguments):
        _init(self, *arguments)
        self.seconds = 2.0

    _init = Forward.__init__
    monkeypatch.setattr(Forward, "__init__", slow)
    network = text_model("g (float[4] x) => (float[4] y) { y = Tanh(x) }")
    # 42 s for differences: 21 runs, 7 of them for the noise, and 7 for each direction.
    found = osc.verify(network, directions=8)
    assert found.agrees
    assert len(found.checks) in (1, 2)
    assert found.limits == (f"{len(found.checks)} of 8 directions, for want of time",)
    assert len(osc.verify(network, directions=8, timeout=None).checks) == 8


@pytest.mark.slow
def test_a_random_picture_is_made_smaller_for_want_of_memory(monkeypatch):
    monkeypatch.setattr(forward, "_MOST_BYTES", 20 * 2**20)
    found = osc.verify(text_model(OPEN))
    assert found.agrees
    assert found.double
    assert found.limits[0].endswith("instead of 224×224, for want of time or memory")
    # A size that was asked for stays.
    found = osc.verify(text_model(OPEN), size=224)
    assert not found.double
    assert found.limits == ()
    assert "double precision would take about" in found.why_single


def test_what_was_found_until_then_stays(monkeypatch):
    """The time is up while the nodes are looked at, one by one."""
    begin = Budget.begin

    def short(self, what):
        if "node 2 " in what:
            raise OutOfTimeError("up")
        begin(self, what)

    monkeypatch.setattr(Budget, "begin", short)
    wrong = RuleTable()
    wrong.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y))
    network = text_model("g (float[4] x) => (float[4] y) { e = Tanh(x)  y = Exp(e) }")
    found = osc.verify(network, rules=standard_rules() | wrong)
    assert found.verdict == "disagrees"
    assert found.operators == ("Tanh",)
    assert "not every node" in found.limits[-1]
    assert "was up" in found.cause


def test_stages_are_reported():
    said = []
    osc.verify(text_model(OPEN), size=16, report=said.append)
    assert said[0] == "reading the network"
    assert "differences, direction 3 of 3" in said


def test_a_time_is_a_number_above_zero():
    with pytest.raises(InputError, match="timeout"):
        osc.verify(text_model(OPEN), timeout=0)
