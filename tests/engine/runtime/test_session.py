"""How sessions are opened."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import text_model
from onnxscope.runtime.session import SPINNING, open_session

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


@pytest.mark.slow
def test_pictures_are_the_same_whether_threads_sleep_or_not(
    squeezenet: osc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for word in ("on", "off"):
        monkeypatch.setenv(SPINNING, word)
        made.append(osc.render(squeezenet, "fire5:3", size=64, steps=3, provider="cpu").images)
    np.testing.assert_array_equal(*made)
