"""The commands of docs/channels.md run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest
from other_forms import network

PAGE = Path(__file__).resolve().parents[2] / "docs" / "channels.md"
LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
]
QUICK = ("--steps", "1", "--provider", "cpu")


@pytest.fixture
def files(folder):
    onnx.save(network("four"), "land.onnx")
    onnx.save(network("sound, no axis"), "sounds.onnx")
    onnx.save(network("volume"), "brain.onnx")
    clip = network("video")
    for at in (2, 3, 4):
        clip.graph.input[0].type.tensor_type.shape.dim[at].dim_param = f"d{at}"
    onnx.save(clip, "clip.onnx")
    np.save("nir.npy", np.full((16, 16), 0.5, np.float32))
    np.save("scene.npy", np.random.default_rng(0).random((16, 16, 4), np.float32))
    return folder


@pytest.mark.parametrize("line", [line for line in LINES if "--recipe" not in line])
def test_the_page_runs(run, files, line):
    words = shlex.split(line)[1:]
    quick = QUICK if words[0] in ("render", "invert") else ()
    if "clip.onnx" in words and "--size" not in words:
        quick += ("--size", "4x12x12")
    result = run(*words, *quick)
    assert result.exit_code == 0, result.output
    if words[0] == "render":
        file = Path(words[words.index("-o") + 1])
        assert file.exists()
        kept = "sounds.onnx" not in words
        assert file.with_suffix(".npy").exists() == kept
        assert (f"{file.stem}.npy" in result.stdout) == kept


def test_either_file_makes_it_again(run, files):
    given = ("land.onnx", "conv2:1", "--range", "0..1", "--show", "3,2,1", "-o", "false.png")
    assert run("render", *given, *QUICK).exit_code == 0
    for number, recipe in enumerate(("false.npy", "false.png")):
        made = run("render", "--recipe", recipe, "-o", f"again{number}.png")
        assert made.exit_code == 0, made.output
        assert Path(f"again{number}.png").read_bytes() == Path("false.png").read_bytes()
        assert np.array_equal(np.load(f"again{number}.npy"), np.load("false.npy"))


@pytest.mark.slow
def test_several_and_a_sheet(run, files):
    given = ("brain.onnx", "conv2:0-1", "--range", "0..1", "-o", "units/", "--sheet", "sheet.png")
    result = run("render", *given, *QUICK)
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path("units").iterdir()} == {
        f"conv2-{unit}.{suffix}" for unit in (0, 1) for suffix in ("png", "npy")
    }
    again = run("render", *given, *QUICK)
    assert "2 there already" in again.stdout
    assert "made otherwise" not in again.output


def test_inspect_says_what_it_is_taken_for(run, files):
    for file, words in (
        ("land.onnx", "pictures of 4 channels, NCHW; --layout NHWC or NCFT says otherwise"),
        ("brain.onnx", "grey volumes, NCDHW; --layout NTCHW or NCTHW or NDHWC says otherwise"),
        ("clip.onnx", "RGB videos, NCTHW;"),
    ):
        assert words in " ".join(run("inspect", file).stdout.split())
        assert run("inspect", file, "conv2:1").exit_code == 0
        assert run("inspect", file, "--json").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "and does not say of what range: give --range 0..1"),
        (("--range", "0-1"), "--range is two numbers such as 0..1"),
        (("--range", "0..1", "--means", "x"), "--means takes numbers such as 0.5"),
        (("--range", "0..1", "--input-range", "0", "1"), "--range says what --input-range says"),
        (("--range", "0..1", "--colors", "red"), "--colors takes channels such as 3,2,1"),
        (("--range", "0..1", "--show", "red"), "--show takes channels such as 3,2,1"),
        (("--range", "0..1", "--show", "0,1"), "show takes one channel"),
        (("--range", "0..1", "--fix", "nir.npy"), "--fix is a channel and its file or value"),
        (("--range", "0..1", "--fix", "3=1", "--fix", "3=0"), "--fix gives channel 3 twice"),
        (("--range", "0..1", "--size", "2x16x16"), "size"),
    ],
)
def test_what_is_wrong_is_said(run, files, words, message):
    result = run("render", "land.onnx", "conv2:1", *words, *QUICK)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "words",
    [
        ("accentuate", "land.onnx", "scene.npy", "conv2:1", "--layer", "conv1"),
        ("caricature", "land.onnx", "scene.npy", "conv2"),
        ("dream", "land.onnx", "scene.npy", "conv2", "--octaves", "1"),
        ("style", "land.onnx", "scene.npy", "scene.npy"),
        ("invert", "land.onnx", "scene.npy", "conv1", "--optimizer", "lbfgs"),
        ("diversity", "brain.onnx", "conv2:1", "--count", "2"),
        ("interpolate", "clip.onnx", "conv2:1", "conv2:2", "--count", "3", "--size", "4x12x12"),
    ],
)
def test_studies_of_other_pictures(run, files, words):
    result = run(*words, *QUICK, "--range", "0..1", "-o", "made.png")
    assert result.exit_code == 0, result.output
    assert Path("made.png").exists()
    whole = words[0] in ("accentuate", "dream", "style")
    assert Path("made.npy").exists() == whole
    assert ("made.npy" in result.stdout) == whole


def test_a_picture_of_another_form_is_refused(refused, files):
    np.save("other.npy", np.zeros((16, 16, 2), np.float32))
    given = ("land.onnx", "other.npy", "conv1", *QUICK, "--range", "0..1")
    assert "must be of shape (H, W, 4)" in refused("invert", *given)


def test_explained_from_arrays(run, refused, files):
    given = (
        "explain",
        "land.onnx",
        "scene.npy",
        "scores:1",
        "--range",
        "0..1",
        "--provider",
        "cpu",
    )
    result = run(*given, "--method", "saliency", "-o", "map.npy")
    assert result.exit_code == 0, result.output
    assert "scene.npy  scores:1" in result.stdout
    import onnxscope as osc

    model = osc.load("land.onnx", input_range=(0, 1))
    found = osc.explain(model, np.load("scene.npy"), "scores:1", "saliency", provider="cpu")
    np.testing.assert_array_equal(np.load("map.npy"), found.maps)
    assert "nowhere.npy" in refused("explain", "land.onnx", "nowhere.npy", "--range", "0..1")


@pytest.mark.slow
def test_what_may_be_a_spectrogram_is_told(run, files):
    """One channel whose sides differ is grey unless it is said; a square one is no spectrogram."""
    onnx.save(network("grey, wide"), "wide.onnx")
    given = ("render", "wide.onnx", "conv2:1", *QUICK, "--range", "0..1", "-o", "made.png")
    said = run(*given).stderr
    assert "is taken for a network of grey pictures, 16 rows × 24 columns" in said
    assert "--layout NCFT keeps time and frequency" in said
    for layout in ("NCFT", "NCHW"):
        assert "taken for" not in run(*given, "--layout", layout).stderr
    onnx.save(network("grey"), "square.onnx")
    square = run("render", "square.onnx", *given[2:])
    assert "taken for" not in square.stderr
    words = " ".join(run("inspect", "wide.onnx").stdout.split())
    assert "of spectrograms it is --layout NCFT" in words
