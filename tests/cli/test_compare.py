"""The command `compare`: a figure, a table and sentences, or JSON."""

from __future__ import annotations

import json

import onnxscope as osc
import pytest

QUICK = ("--steps", 3, "--provider", "cpu")


@pytest.mark.slow
def test_what_it_prints(run, folder, tiny):
    result = run("compare", tiny, "mixed4a:11", *QUICK)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["picture", "middle", "upper", "right", "lower", "left", "corner",
                                "channel", "negative"]  # fmt: skip
    assert sum(line.startswith("• ") for line in lines) >= 4
    assert "mixed4a-11-compared.png" in result.stdout
    assert osc.read_recipe(folder / "mixed4a-11-compared.png").same_start


@pytest.mark.slow
def test_json_and_again(run, folder, tiny):
    result = run("compare", tiny, "mixed4a:11", "--json", "-o", "c.png", *QUICK)
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["pictures"]) == 6
    assert run("render", "--recipe", "c.png", "-o", "again.png").exit_code == 0


@pytest.mark.slow
def test_interrupted(run, folder, tiny, monkeypatch):
    """Ctrl-C leaves a figure of what there is."""
    import dataclasses

    from onnxscope.studies import comparing

    made = comparing.render

    def stopped(*arguments, **options):
        return dataclasses.replace(made(*arguments, **options)[:2], interrupted=True)

    monkeypatch.setattr(comparing, "render", stopped)
    result = run("compare", tiny, "mixed4a:11", *QUICK, "--quiet")
    assert result.exit_code == 130
    assert result.stdout == "mixed4a-11-compared.png\n"
    assert "interrupted; mixed4a-11-compared.png shows how far it came" in result.stderr
    assert (folder / "mixed4a-11-compared.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mixed4a"], "write mixed4a:0"),
        (["mixed4a:99"], "no channel 99"),
        (["daisy"], "a neuron and a channel are the same"),
        (["mixed4a:1", "-o", "x.txt"], "use .png, .jpg or .webp"),
        (["mixed4a:1", "--size", "big"], "--size is a number of pixels"),
        (["mixed4a:1", "--steps", "0"], "steps"),
    ],
)
def test_refused(refused, tiny, arguments, said):
    assert said in refused("compare", tiny, *arguments)
