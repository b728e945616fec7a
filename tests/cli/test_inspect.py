"""`onnxscope inspect`."""

from __future__ import annotations

import pytest


def table(output):
    """The lines of the table as words, without its head."""
    lines = [line.split() for line in output.splitlines()]
    at = next(
        i for i, words in enumerate(lines) if words[:2] in (["layer", "shape"], ["units", "branch"])
    )
    return [words for words in lines[at + 1 :] if words]


def test_model(run, tiny):
    result = run("inspect", tiny)
    assert result.exit_code == 0
    assert result.stderr == ""
    for words in (
        "architecture   tiny",
        "licence        Apache-2.0",
        "48×48 pixels by default; others work too",
        "in the graph: RGB, 2 x − 1 for x in [0, 1]",
        "5, from daisy to kit fox",
    ):
        assert words in result.stdout
    rows = table(result.stdout)
    assert rows[:5] == [
        ["conv0", "8×24×24", "Relu"],
        ["pool0", "8×11×11", "MaxPool"],
        ["mixed4a", "16×11×11", "Concat", "6", "+", "10"],
        ["conv5", "12×11×11", "Relu"],
        ["avgpool", "12×1×1", "GlobalAveragePool"],
    ]
    assert "6 more layers" in result.stdout


def test_all_layers(run, tiny):
    result = run("inspect", tiny, "--all")
    names = [row[0] for row in table(result.stdout)]
    assert names[:3] == ["conv0_pre_relu", "conv0", "pool0"]
    assert "mixed4a_3x3_pre_relu" in names
    assert "more layer" not in result.stdout


def test_layer(run, tiny):
    result = run("inspect", tiny, "mixed4a")
    assert "16×11×11 for a picture of 48×48" in result.stdout
    assert "16, 0 to 15" in result.stdout
    assert table(result.stdout)[:2] == [
        ["0–5", "mixed4a_1x1", "6"],
        ["6–15", "mixed4a_3x3", "10"],
    ]
    assert "unit 11 of mixed4a is unit 5 of 10 of the 3x3 path (mixed4a_3x3:5)" in result.stdout
    # conv0 sees 3, the pool 3 + 2·2 = 7, the 3x3 of the block 7 + 2·4 = 15.
    assert "15×15 pixels" in result.stdout


def test_unit(run, tiny):
    result = run("inspect", tiny, "mixed4a:2")
    assert result.stdout.startswith(
        "unit 2 of mixed4a is unit 2 of 6 of the 1x1 path (mixed4a_1x1:2)\n"
    )
    assert f"onnxscope render {tiny} mixed4a:2" in " ".join(result.stdout.split())


def test_class(run, tiny):
    assert run("inspect", tiny, "kit fox").stdout.startswith(
        "unit 4 of logits: the score of the class 'kit fox'\n"
    )


def test_foreign_model(run, foreign):
    result = run("inspect", foreign)
    assert "unknown; say what the network was trained with" in result.stdout
    assert "architecture" not in result.stdout
    names = [row[0] for row in table(result.stdout)]
    assert "mixed4a" in names
    assert "conv5" in names
    assert "conv5_pre_relu" not in names
    given = run("inspect", foreign, "--input-range", 0, 255, "--channel-order", "bgr")
    assert "as given: BGR in [0, 255], NCHW" in given.stdout


@pytest.mark.parametrize("target", [(), ("mixed4a",), ("mixed4a:3",)])
def test_eighty_columns(run, tiny, target, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tiny.rpartition("/")[0])
    output = run("inspect", "tiny.onnx", *target).stdout
    assert max(map(len, output.splitlines())) <= 80


def test_misses(refused, tiny):
    assert "has no layer 'mixed4b'; did you mean 'mixed4a'" in refused("inspect", tiny, "mixed4b:1")
    assert "mixed4a has 16 channels" in refused("inspect", tiny, "mixed4a:99")
