"""The commands of studies: what each writes, what it refuses, and what is left after Ctrl-C."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from PIL import Image

QUICK = ("--steps", 2, "--provider", "cpu")


@pytest.fixture
def photo(folder: Path) -> str:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "dog.jpg")
    return "dog.jpg"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "file", "batch"),
    [
        (["diversity", "MODEL", "mixed4a:1", "--count", 3], "mixed4a-1-diverse.png", 3),
        (["interpolate", "MODEL", "mixed4a:1", "mixed4a:2", "--count", 3,
          "--animation", "m.webp"], "mixed4a-1-mixed4a-2.png", 3),
        (["arithmetic", "MODEL", "mixed4a:1", "mixed4a:2", "conv5:3"],
         "mixed4a-1-mixed4a-2-conv5-3-sums.png", 5),
        (["invert", "MODEL", "dog.jpg", "conv0", "conv5"], "dog-inverted.png", 2),
        (["caricature", "MODEL", "dog.jpg"], "dog-caricatures.png", 2),
        (["accentuate", "MODEL", "dog.jpg", "conv5:1"], "dog-conv5-1-accentuated.png", 1),
        (["dream", "MODEL", "dog.jpg", "conv5", "--octaves", 1], "dog-conv5-dream.png", 1),
        (["style", "MODEL", "dog.jpg", "dog.jpg"], "dog-dog-style.png", 1),
    ],
)  # fmt: skip
def test_what_is_written(run, folder, tiny, photo, arguments, file, batch):
    given = [tiny if word == "MODEL" else word for word in arguments]
    result = run(*given, *QUICK)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].split(", ")[0] == file
    recipe = osc.read_recipe(folder / file)
    assert recipe.steps == 2
    if "m.webp" in given:
        with Image.open(folder / "m.webp") as moving:
            assert moving.n_frames == 4
    # It is made again from the picture alone.
    (folder / photo).unlink()
    again = run("render", "--recipe", file, "-o", "again.png", "--quiet")
    assert again.exit_code == 0, again.output


def test_after_ctrl_c_there_is_what_there_is(run, folder, tiny, photo, monkeypatch):
    from onnxscope.studies import dreaming

    made = dreaming.render

    def stopped(*arguments, **options):
        return dataclasses.replace(made(*arguments, **options), interrupted=True)

    monkeypatch.setattr(dreaming, "render", stopped)
    result = run("dream", tiny, photo, "conv5", "-o", "d.png", "--quiet", *QUICK)
    assert (result.exit_code, result.stdout) == (130, "d.png\n")
    assert result.stderr == "error: interrupted; d.png shows how far it came\n"
    assert (folder / "d.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["diversity", "MODEL", "mixed4a:99"], "no channel 99"),
        (["diversity", "MODEL", "mixed4a:1", "--count", "1"], "count"),
        (["interpolate", "MODEL", "mixed4a:1", "mixed5:1"], "mixed4a"),
        (["interpolate", "MODEL", "mixed4a:1", "mixed4a:2", "--animation", "m.jpg"], ".gif"),
        (["arithmetic", "MODEL", "mixed4a:1"], "more targets than --rows 1"),
        (["invert", "MODEL", "none.jpg"], "cannot read the photograph none.jpg"),
        (["invert", "MODEL", "dog.jpg", "conv9"], "conv"),
        (["caricature", "MODEL", "dog.jpg", "--cosine", "-1"], "power"),
        (["dream", "MODEL", "dog.jpg", "conv5", "--ratio", "1"], "above 1"),
        (["dream", "MODEL", "dog.jpg", "dasy"], "daisy"),
        (["style", "MODEL", "dog.jpg", "none.jpg"], "cannot read the photograph none.jpg"),
        (["accentuate", "MODEL", "dog.jpg", "conv5:1", "--strength", "-1"], "at least 0"),
        (["dream", "MODEL", "dog.jpg", "conv5", "-o", "x.txt"], "use .png, .jpg or .webp"),
    ],
)
def test_refused(refused, tiny, photo, arguments, said):
    given = [tiny if word == "MODEL" else word for word in arguments]
    assert said in refused(*given)
