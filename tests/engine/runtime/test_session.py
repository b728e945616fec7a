"""How sessions are opened."""

from __future__ import annotations

import os

import numpy as np
import onnxscope as osc
import pytest
from graphs import text_model
from onnxscope.runtime.creation import SPINNING, THREADS
from onnxscope.runtime.session import open_for, open_session

ENTRY = "session.intra_op.allow_spinning"


@pytest.mark.parametrize("word", ["off", " No ", "0"])
def test_threads_that_wait_can_be_let_sleep(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = text_model("g (float[3] x) => (float[3] y) { y = Tanh(x) }")
    monkeypatch.setenv(SPINNING, word)
    options = open_session(graph, "cpu")._session.get_session_options()
    assert options.get_session_config_entry(ENTRY) == "0"
    for others in ("on", ""):
        monkeypatch.setenv(SPINNING, others)
        options = open_session(graph, "cpu")._session.get_session_options()
        with pytest.raises(RuntimeError, match=ENTRY):
            options.get_session_config_entry(ENTRY)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores cannot be taken away here")
def test_as_many_threads_as_cores_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = text_model("g (float[3] x) => (float[3] y) { y = Tanh(x) }")

    def threads(wanted: int | None = None) -> int:
        session = open_for(lambda _: graph, "cpu", wanted)._session
        return int(session.get_session_options().intra_op_num_threads)

    monkeypatch.delenv(THREADS, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5})
    assert threads() == 3
    assert threads(1) == 1
    monkeypatch.setenv(THREADS, "2")
    assert threads() == 2
    monkeypatch.delenv(THREADS)
    # 0 is as many as ONNX Runtime finds best, which leaves out hardware threads of one core.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert threads() == 0


@pytest.mark.slow
def test_pictures_are_the_same_whether_threads_sleep_or_not(
    squeezenet: osc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for word in ("on", "off"):
        monkeypatch.setenv(SPINNING, word)
        made.append(osc.render(squeezenet, "fire5:3", size=64, steps=3, provider="cpu").images)
    np.testing.assert_array_equal(*made)
