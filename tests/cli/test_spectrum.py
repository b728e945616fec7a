"""The command `spectrum`: its figure, what it says, what it refuses."""

from __future__ import annotations

import onnxscope as osc
import pytest

QUICK = ("--steps", 3, "--provider", "cpu")


@pytest.mark.slow
def test_a_figure(run, folder, tiny, photos):
    result = run("spectrum", tiny, "mixed4a:11", photos, *QUICK)
    assert result.exit_code == 0, result.output
    assert "mixed4a-11-spectrum.png" in result.stdout
    assert "strongest photo" in result.stdout
    assert "broken.jpg: it is no picture; it is left out" in result.stderr
    assert osc.read_recipe(folder / "mixed4a-11-spectrum.png").steps == 3
    assert sorted(path.name for path in folder.iterdir()) == ["mixed4a-11-spectrum.png", "photos"]
    quiet = run("spectrum", tiny, "daisy", photos, "-o", "d.png", "-q", *QUICK)
    assert quiet.exit_code == 0, quiet.output
    assert quiet.stdout == "d.png\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mixed4a:11"], "takes folders of photographs"),
        (["mixed4a", "photos"], "is one unit, such as mixed4a:0"),
        (["mixed4a:11", "nowhere"], "there is no folder or file nowhere"),
        (["mixed4a:99", "photos"], "mixed4a has 16 channels"),
        (["mixed4a:11", "photos", "-o", "x.npz"], "x.npz"),
    ],
)
def test_refused(refused, tiny, photos, arguments, said):
    assert said in refused("spectrum", tiny, *arguments)
