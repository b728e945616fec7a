"""The forecast of memory against what ONNX Runtime really takes, and what the system has left."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import text_model
from onnxscope.ascent.climbers import make_climber
from onnxscope.ascent.composition import Composition
from onnxscope.ascent.graphs import Graphs
from onnxscope.ascent.streams import Streams
from onnxscope.errors import MemoryShortageError
from onnxscope.runtime import memory
from onnxscope.runtime.memory import Footprint, Use, check_memory
from onnxscope.transforms.composition import compose

GIB = 2**30
MEASURE = """
import sys
import numpy as np
import onnxruntime as ort

def peak():  # of this program; that of getrusage begins with the one that started it
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

options = ort.SessionOptions()
options.log_severity_level = 4
options.enable_mem_pattern = False
data = np.load(sys.argv[2])
feeds = {name: data[name] for name in data}
before = peak()
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
for _ in range(2):
    session.run(None, feeds)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read as Linux gives it")
@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize(
    ("name", "objective"),
    [
        ("squeezenet", osc.channel("fire8", 5)),
        ("efficientnet_lite0", osc.channel("blocks_10", 20)),
        ("inception_v3", osc.channel("mixed_4", 300)),
    ],
)
def test_the_forecast_is_right_to_a_third(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, objective: osc.Objective, batch: int
) -> None:
    model = request.getfixturevalue(name) if name == "inception_v3" else osc.load(name)
    composition = Composition(
        model, objective, osc.Fourier(), compose(osc.lucid()), batch, 224, 224
    )
    graph = Graphs(composition).step("cpu", osc.Adam())
    (tmp_path / "step.onnx").write_bytes(graph.model)
    streams = Streams(composition, 0)
    parameters = streams.parameters()
    feeds = parameters | streams.data()
    feeds |= {f"{s}.{n}": np.zeros_like(a) for s in osc.Adam.slots for n, a in parameters.items()}
    feeds["importance"] = np.zeros((batch, 224, 224), np.float32)
    feeds |= {f"schedule.{n}": np.float32(x).reshape(()) for n, x in osc.Adam().numbers(1).items()}
    np.savez(tmp_path / "feeds.npz", **feeds)
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "step.onnx", tmp_path / "feeds.npz"],
        capture_output=True,
        text=True,
        check=True,
    )
    # The climber's arrays, which the forecast counts as well, were there before.
    measured = int(result.stdout) + sum(array.nbytes for array in feeds.values())
    forecast = graph.footprint.total(Use.whole(batch))
    assert 0.7 < forecast / measured < 1.3, (forecast / 2**20, measured / 2**20)


def test_values_count_from_their_node_to_their_last_reader() -> None:
    # 400 bytes each; a and b are alive together, then b and c, and y has memory of its own.
    graph = text_model(
        """test (float[100] x) => (float[100] y) {
            a = Exp(x)
            b = Exp(a)
            c = Exp(b)
            y = Add(b, c)
        }"""
    )
    graph = onnx.shape_inference.infer_shapes(graph)
    sizes = memory._sizes(graph.graph)
    assert sizes == dict.fromkeys("abcxy", 400)
    assert memory._most_alive(list(graph.graph.node), sizes, set(), {"y"}) == 800


def test_the_order_is_the_one_of_onnx_runtime() -> None:
    # m is written last and needed by y alone: ONNX Runtime computes it before the long chain.
    graph = text_model(
        """test (float[4] x) => (float[4] y) {
            a = Exp(x)
            b = Exp(a)
            m = HardSigmoid(x)
            y = Mul(b, m)
        }"""
    )
    ordered = memory._in_running_order(list(graph.graph.node))
    assert [node.output[0] for node in ordered] == ["m", "a", "b", "y"]


@pytest.mark.slow
def test_what_does_not_fit_is_refused_before_any_work(
    squeezenet: osc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    footprint = Footprint(fixed=GIB, each=GIB // 4)
    monkeypatch.setattr(memory, "available_memory", lambda: 11 * GIB)
    check_memory(footprint, Use.whole(40), "cpu")
    with pytest.raises(MemoryShortageError) as caught:
        check_memory(footprint, Use.whole(64), "cpu")
    assert str(caught.value) == "64 pictures need about 17 GiB and 11 GiB are free: 40 fit"
    assert caught.value.fitting == 40
    check_memory(footprint, Use.whole(64), "cuda")
    with pytest.raises(MemoryShortageError, match=r"80 pictures need about 22 GiB .*: 36 fit"):
        check_memory(footprint, Use(80, 80, sessions=2), "cpu")
    # A session less, and one picture less, is little enough.
    with pytest.raises(MemoryShortageError, match=r"3 pictures need about 12 GiB .*: 2 fit"):
        check_memory(Footprint(6 * GIB, GIB // 8), Use(3, 2, sessions=2), "cpu")
    # So is one of several objectives.
    with pytest.raises(MemoryShortageError, match=r"2 pictures need about 12 GiB .*: 1 fits"):
        check_memory(Footprint(6 * GIB, GIB // 8), Use(2, 2, sessions=2), "cpu")
    with pytest.raises(MemoryShortageError, match=r"99 pictures need about 14 GiB .*: 78 fit"):
        check_memory(replace(footprint, kept=GIB // 8), Use(99, 2), "cpu")
    with pytest.raises(MemoryShortageError, match=r"99 pictures need about 14 GiB .*: 40 fit"):
        check_memory(replace(footprint, kept=GIB // 20), Use(99, 41), "cpu")
    monkeypatch.setattr(memory, "available_memory", lambda: 10**6)
    with pytest.raises(MemoryShortageError, match=r"a picture needs about .*: a smaller size"):
        osc.render(squeezenet, "fire5:3", size=64, steps=1, provider="cpu")
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    osc.render(squeezenet, "fire5:3", size=64, steps=1, provider="cpu")


@pytest.mark.slow
def test_the_climber_asks_for_all_cores_together(
    squeezenet: osc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("onnxscope.ascent.side_by_side.cores", lambda: 2)
    monkeypatch.setattr(
        "onnxscope.ascent.climbing.check_memory", lambda footprint, *given: asked.append(given)
    )
    composition = Composition(squeezenet, osc.channel("fire5", 3), osc.Fourier(), (), 5, 64, 64)
    monkeypatch.setattr("onnxscope.ascent.side_by_side._NEAR", 0)
    make_climber(composition, Streams(composition, 0).parameters(), osc.Adam(), "cpu")
    assert asked == [(Use(5, 2), "cpu")]
    asked.clear()
    monkeypatch.setattr("onnxscope.ascent.side_by_side._NEAR", 2**40)
    make_climber(composition, Streams(composition, 0).parameters(), osc.Adam(), "cpu")
    assert asked == [(Use(5, 5, sessions=2), "cpu")]


def test_free_memory_of_linux() -> None:
    text = "MemTotal: 9 kB\nMemFree:  1 kB\nMemAvailable:   300 kB\nSwapFree:  100 kB\nHugePages: 0"
    assert memory._free_by_meminfo(text) == 400 * 1024
    assert memory._free_by_meminfo("") is None
    assert (memory.available_memory() or GIB) > 10**7


def test_limits_of_control_groups(tmp_path: Path) -> None:
    def group(path: str, **files: object) -> None:
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (tmp_path / path / name.replace("__", ".")).write_text(f"{content}\n")

    # Version 2: the outer group is the tighter one.
    group("user", memory__max=5000, memory__current=3000)
    (tmp_path / "user" / "memory.stat").write_text("anon 2000\ninactive_file 500\n")
    group("user/job", memory__max=9000, memory__current=1000)
    group("user/job/step", memory__max="max", memory__current=10)
    assert sorted(memory._left_by_groups("0::/user/job/step\n", tmp_path)) == [2500, 8000]
    # In a container, the path of the host is not there, and the root is the container's own group.
    group("", memory__max=700, memory__current=100)
    assert list(memory._left_by_groups("0::/elsewhere/in/the/host\n", tmp_path)) == [600]
    # Version 1, with a limit and without.
    group("memory/a", memory__limit_in_bytes=800, memory__usage_in_bytes=900)
    (tmp_path / "memory" / "a" / "memory.stat").write_text("total_inactive_file 400\n")
    group("memory", memory__limit_in_bytes=2**63 - 4096, memory__usage_in_bytes=5)
    lines = "5:cpu,cpuacct:/a\n4:memory:/a\n3:pids:/a\n"
    assert list(memory._left_by_groups(lines, tmp_path)) == [300]
    assert list(memory._left_by_groups("", tmp_path)) == []
