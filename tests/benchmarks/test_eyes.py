"""How other networks read pictures: probabilities, what counts as grey, the table."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxscope as osc
import pytest

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "eyes.py"


@pytest.fixture(scope="module")
def eyes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("onnxscope_eyes", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_probabilities_are_those_of_the_softmax(eyes: ModuleType, squeezenet: osc.Model) -> None:
    pictures = list(np.random.default_rng(0).random((2, 227, 227, 3)).astype(np.float32))
    found = eyes.log_probabilities(squeezenet, pictures)
    assert found.shape == (2, 1000)
    softmax = squeezenet.activations(np.stack(pictures), ["softmax"])["softmax"].reshape(2, -1)
    np.testing.assert_allclose(np.exp(found), softmax, atol=1e-5)
    small = [np.full((100, 90, 3), 0.5, np.float32)]
    assert eyes.log_probabilities(squeezenet, small).shape == (1, 1000)


@pytest.mark.slow
def test_what_is_read_and_what_is_grey(eyes: ModuleType, squeezenet: osc.Model) -> None:
    noise = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    pictures = {3: noise, 985: np.full((64, 64, 3), 0.5, np.float32)}
    found = eyes.read(pictures, squeezenet, squeezenet, 2)
    assert found.grey == 0.5
    assert found.log_probability == found.by_maker < 0
    assert found.top_five in (0, 0.25, 0.5, 0.75, 1)
    lines = eyes.table({"a → b": {"Fourier": found}})
    assert lines[2].endswith("| 50% |")


@pytest.mark.slow
def test_every_kind_is_climbed(eyes: ModuleType, squeezenet: osc.Model) -> None:
    for name, make in eyes.kinds().items():
        if name != "Lucent":
            made = make(squeezenet, [985, 3], 48, 1, 0)
            assert [one.shape for one in made] == [(48, 48, 3)] * 2
            assert np.abs(made[0] - made[1]).max() > 0


def test_kinds_are_chosen_by_name(eyes: ModuleType) -> None:
    assert list(eyes.chosen(["MACO", "Fourier"])) == ["MACO", "Fourier"]
    assert eyes.chosen([]).keys() == eyes.kinds().keys()
    with pytest.raises(osc.OnnxscopeError, match="no pictures are called 'Maco'; did you mean"):
        eyes.chosen(["Maco"])
