"""A small network of the Inception kind, as files, and ways to run the command on them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxscope.cli.app import app
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.metadata import Metadata
from onnxscope.graph.tensor import Tensor
from PIL import Image
from typer.testing import CliRunner, Result

# Small networks that tests of the engine use as well.
sys.path.append(str(Path(__file__).resolve().parents[1] / "engine" / "helpers"))

LABELS = ("daisy", "tench, Tinca tinca", "crane", "crane", "kit fox")
SIZE = 48


class _Network:
    """Layers with random weights, exposed as a converted model exposes them."""

    def __init__(self) -> None:
        self.builder = Builder("tiny")
        self.rng = np.random.default_rng(7)
        self.layers: list[str] = []

    def expose(self, name: str, tensor: Tensor) -> Tensor:
        self.layers.append(name)
        return self.builder.output(name, tensor)

    def conv(self, name: str, x: Tensor, channels: int, kernel: int, stride: int = 1) -> Tensor:
        shape = (channels, x.dims[1], kernel, kernel)
        weights = self.rng.standard_normal(shape) * np.sqrt(2 / (shape[1] * kernel**2))
        before = self.builder.op.Conv(
            x,
            self.builder.constant(weights, np.float32, f"{name}_w"),
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )
        before = self.expose(f"{name}_pre_relu", before)
        return self.expose(name, self.builder.op.Relu(before))

    def pool(self, name: str, x: Tensor) -> Tensor:
        return self.expose(name, self.builder.op.MaxPool(x, kernel_shape=[3, 3], strides=[2, 2]))


def tiny_network(*, foreign: bool = False) -> onnx.ModelProto:
    """Convolution, pool, a block of two branches, classes; foreign: without any metadata."""
    net = _Network()
    op = net.builder.op
    image = net.builder.input("image", ["N", 3, "H", "W"], np.float32)
    # What a graph does to its input first says what it expects: the foreign one does nothing.
    pictures = image if foreign else image * 2.0 - 1.0
    x = net.pool("pool0", net.conv("conv0", pictures, 8, 3, 2))
    branches = [net.conv("mixed4a_1x1", x, 6, 1), net.conv("mixed4a_3x3", x, 10, 3)]
    x = net.expose("mixed4a", op.Concat(*branches, axis=1))
    x = net.conv("conv5", x, 12, 3)
    x = net.expose("avgpool", op.GlobalAveragePool(x))
    weights = net.builder.constant(net.rng.standard_normal((12, 5)), np.float32, "dense_w")
    x = net.expose("logits", op.MatMul(op.Flatten(x), weights))
    net.expose("softmax", op.Softmax(x))
    metadata = Metadata(
        architecture="tiny",
        dataset="random numbers",
        source="made here",
        license="Apache-2.0",
        size=SIZE,
        layers=tuple(net.layers),
        labels=LABELS,
        preprocessing="RGB, 2 x − 1 for x in [0, 1]",
    )
    return model_of(net.builder, None if foreign else metadata.to_props())


@pytest.fixture(scope="session")
def _files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    onnx.save(tiny_network(), folder / "tiny.onnx")
    onnx.save(tiny_network(foreign=True), folder / "foreign.onnx")
    return folder


@pytest.fixture
def tiny(_files: Path) -> str:
    """The path of the small network, which says itself what it is."""
    return str(_files / "tiny.onnx")


@pytest.fixture
def foreign(_files: Path) -> str:
    """The path of the same network, without a word about it."""
    return str(_files / "foreign.onnx")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photos(folder: Path) -> Path:
    """A folder of files that cameras and programs write, and one that is none."""
    target = folder / "photos"
    target.mkdir()
    pixels = (np.random.default_rng(2).random((60, 80, 3)) * 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    image.save(target / "plain.png")
    image.convert("CMYK").save(target / "cmyk.jpg")
    image.quantize(16).save(target / "palette.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(target / "deep.png")
    image.save(target / "moving.gif", save_all=True, append_images=[image.rotate(90)])
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(target / "turned.jpg", exif=exif)
    (target / "broken.jpg").write_bytes(b"no picture")
    (target / "notes.txt").write_text("not looked at")
    return target


@pytest.fixture
def run(folder: Path) -> Callable[..., Result]:
    """Runs the command in this process, in the empty folder."""

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def refused(run: Callable[..., Result], folder: Path) -> Callable[..., str]:
    """Runs the command, which must refuse: one sentence, exit code 2, nothing written."""

    def invoke(*arguments: object) -> str:
        before = sorted(folder.rglob("*"))
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("error: ")
        assert sorted(folder.rglob("*")) == before
        return lines[0].removeprefix("error: ")

    return invoke


class Command(subprocess.Popen[str]):
    """The command as a process, waited for as long as a busy machine may need."""

    PATIENCE = 600.0  # seconds, behind which nothing comes any more

    def __init__(
        self, folder: Path, arguments: tuple[object, ...], before: Sequence[str] = ()
    ) -> None:
        super().__init__(
            [*before, sys.executable, "-m", "onnxscope", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=os.environ | {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
        )

    def outputs(self) -> tuple[str, str]:
        """Wait for its end, and return what it wrote to stdout and to stderr."""
        return self.communicate(timeout=self.PATIENCE)

    def code(self) -> int:
        """Wait for its end, and return its exit code."""
        return self.wait(timeout=self.PATIENCE)


@pytest.fixture
def start(folder: Path, ctrl_c_is_heard: None) -> Iterator[Callable[..., Command]]:
    """Starts the command as a process of its own, which ends with the test at the latest."""
    started: list[Command] = []

    def begin(*arguments: object, before: Sequence[str] = ()) -> Command:
        started.append(Command(folder, arguments, before))
        return started[-1]

    yield begin
    for process in started:
        with process:  # closes its pipes and waits for it
            process.kill()
