"""Models that many tests share: real published weights, and small networks of the same kind."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.models.architectures import ARCHITECTURES, Origin
from PIL import Image

# Tests change the engine's parts under its hands; those of the cache turn it on for themselves.
os.environ["ONNXSCOPE_GRAPH_CACHE"] = "off"
# Thousands of small networks are differentiated; tests of the comparison turn it on.
os.environ["ONNXSCOPE_COMPARE"] = "off"
# Workers share the cores with each other and with whatever else runs.
os.environ["ONNXSCOPE_SPINNING"] = "off"
# Hundreds of processes import the package and every worker all tests, whose assertions are written
# anew each time where no bytecode is kept: half of what collecting them takes.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A small graph is some ten thousand objects that all end with it, and Python looks for garbage at
# every 700th: that took a tenth of the time and more, the longer a worker ran.
gc.set_threshold(100_000, 10, 10)

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared(relative: str) -> Path:
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"{relative} is not beside this checkout: it is not part of the project")
    return path


@pytest.fixture(scope="session")
def squeezenet() -> osc.Model:
    """SqueezeNet 1.1 with its published ImageNet weights."""
    return osc.load("squeezenet")


@pytest.fixture(scope="session")
def inception_v3_proto() -> onnx.ModelProto:
    """Google's Inception v3 through mixed_8, with its published ImageNet weights."""
    from safetensors.numpy import load_file

    weights = load_file(_shared("models/inception_v3_trunk.safetensors"))
    origin = Origin("ImageNet (ILSVRC 2012)", "TensorFlow, 2015-12-05", "Apache-2.0")
    return ARCHITECTURES["inception_v3"].build(weights, origin)


@pytest.fixture(scope="session")
def inception_v3(inception_v3_proto: onnx.ModelProto) -> osc.Model:
    """The same, loaded."""
    return osc.load(inception_v3_proto)


@pytest.fixture(scope="session")
def _kept_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def kept_graphs(_kept_graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each graph is built once for all tests that say so, and read from the cache by the others.

    For tests that change nothing in the engine, and are about what is made with a graph.
    """
    monkeypatch.setenv("ONNXSCOPE_CACHE", str(_kept_graphs))
    monkeypatch.delenv("ONNXSCOPE_GRAPH_CACHE")


@pytest.fixture(scope="session")
def flower() -> np.ndarray:
    """A photograph, (224, 224, 3) uint8."""
    return np.asarray(Image.open(_shared("reference/flower_224.png")).convert("RGB"))


@pytest.fixture(scope="session")
def reference() -> dict[str, np.ndarray]:
    """Activations and gradients on the photograph, in float64 by another framework."""
    return dict(np.load(_shared("reference/inception_v3_reference.npz")))


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """Python's own handler of Ctrl-C, also where the tests run in the background of a shell.

    There SIGINT is ignored, and so it would be by every process that a test starts; behind `nohup`
    SIGHUP is.
    """
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    if sys.platform != "win32":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among tests: they stay, and looking takes a tenth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files of slow tests alone where none are wanted: to import them takes seconds."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    whole = "\npytestmark = pytest.mark.slow\n" in collection_path.read_text(encoding="utf-8")
    return True if whole else None


SAMPLE = 5
"""How many cases of a test the quick ones have, where it does not say otherwise."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make slow, of lists of cases, all but a sample (see `_sampled`)."""
    lists: dict[tuple[Path, str], list[pytest.Function]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            lists.setdefault((item.path, item.nodeid.partition("[")[0]), []).append(item)
    for cases in lists.values():
        mark = cases[0].get_closest_marker("sample")
        quick = _sampled(cases, *mark.args, **mark.kwargs) if mark else _sampled(cases, SAMPLE)
        for number, case in enumerate(cases):
            if number not in quick:
                case.add_marker(pytest.mark.slow)


def _sampled(
    cases: list[pytest.Function], most: int = 0, *, of_each: Callable[..., object] | None = None
) -> set[int]:
    """Which of a test's cases are a sample.

    Args:
        cases: In their order.
        most: How many there are at most, evenly spread, the first and the last among them.
        of_each: Instead, what the kind of a case is, by its parameters: the first of each kind.
    """
    if of_each is not None:
        kinds = [of_each(**case.callspec.params) for case in cases]
        return {kinds.index(kind) for kind in kinds}
    # Not in steps of one size from the first: those may meet one value of a parameter only.
    return {number * (len(cases) - 1) // max(most - 1, 1) for number in range(most)}


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their number: archives hold the time, and all workers must name tests alike."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
