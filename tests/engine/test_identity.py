"""What determines a graph, as a key; code of the user's has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope import identity
from onnxscope.identity import NoIdentityError, describe, key_of
from onnxscope.parameterizations.fourier import Fourier


def test_another_engine_has_another_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = key_of(a=1)
    assert key_of(a=1) == first != key_of(a=2) != key_of(a=2.0) != key_of(a="2")
    for name, changed in (
        ("_source", lambda: "another"),
        ("library_version", lambda name: "9.9" if name == "onnx-ir" else "1"),
        ("_instructions", lambda: ["another"]),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(identity, name, changed)
            identity._engine.cache_clear()
            assert key_of(a=1) != first
    identity._engine.cache_clear()
    assert key_of(a=1) == first
    # Any change of any module of the engine is another source, one of the command line is none.
    copied = tmp_path / "identity.py"
    copied.write_text("")
    (tmp_path / "rules").mkdir()
    monkeypatch.setattr(identity, "__file__", str(copied))
    sources = {identity._source()}
    for name, same in (("rules/pooling.py", False), ("step.py", False), ("cli/app.py", True)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1")
        assert (identity._source() in sources) == same
        sources.add(identity._source())


def test_no_identity_where_there_is_code_of_the_users(squeezenet: osc.Model) -> None:
    @osc.objective("fire5")
    def mine(a: osc.Tensor) -> osc.Tensor:
        return a[:, 3].mean((1, 2))

    class MyFourier(Fourier):
        def image(self, parameters, height, width):
            return super().image(parameters, height, width) * 0.5

    class MyAdam(osc.Adam):
        pass

    changed = osc.Adam()
    changed.append = lambda *arguments: None
    for value in (mine, mine + osc.layer("fire2"), MyFourier(), MyAdam(), changed, print, object()):
        with pytest.raises(NoIdentityError):
            describe(value)
    assert describe(osc.Adam()) == describe(osc.Adam(0.05))
    used = osc.Adam()
    used.update({"a": np.ones(3)}, {"a": np.ones(3)})
    assert describe(used) == describe(osc.Adam())  # its state is in no graph


def test_arrays_are_told_apart() -> None:
    array = np.arange(6.0)
    others = [array, array.astype(np.float32), array.reshape(2, 3), array + 1e-9, array[::-1]]
    assert len({str(describe(other)) for other in others}) == len(others)
    assert describe(np.arange(12.0)[::2]) == describe(np.arange(12.0)[::2].copy())
