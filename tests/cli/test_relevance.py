"""The command `relevance`: weights of channels, in a file that a target takes."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest


def test_the_weights_are_those_of_python(run, folder, tiny, photos):
    files = [photos / "plain.png", photos / "cmyk.jpg"]
    result = run("relevance", tiny, "daisy", "conv5", *files, "-o", "counts.npy")
    assert result.exit_code == 0, result.output
    found = np.load("counts.npy")
    model = osc.load(str(tiny))
    wanted = osc.relevance(model, "daisy", "conv5", files, provider="cpu")
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    lines = result.stdout.splitlines()
    assert lines[0] == "counts.npy"
    assert lines[1].strip() == f"{len(found)} channels on {len(files)} photos"
    assert lines[2].split() == [f"conv5:{found.argmax()}", f"{found.max():.2f}"]
    target = f'"daisy" - 2 * distribution("conv5", "{files[0]}", weights=array("counts.npy"))'
    quick = ("--steps", 2, "--size", 48, "--provider", "cpu", "-o", "a.png")
    assert run("render", tiny, target, *quick).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["daisy", "conv5", "photos", "-o", "counts.png"], "-o is an .npy file, such as counts"),
        (
            ["daisy", "conv5", "empty", "-o", "counts.npy"],
            "there is no picture in the folder empty",
        ),
        (["daisy", "conv55", "photos", "-o", "counts.npy"], "has no layer 'conv55'"),
        (["mixed4a:1", "conv5", "photos/plain.png", "-o", "counts.npy"], "conv5"),
    ],
)
def test_what_is_refused(refused, folder, tiny, photos, arguments, said):
    (folder / "empty").mkdir()
    assert said in refused("relevance", tiny, *arguments)
    assert not (folder / "counts.npy").exists()
