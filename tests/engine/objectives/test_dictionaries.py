"""Directions of files as units: every kind of file, by number and name, as a target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, ModelError, OnnxscopeError, TargetError
from onnxscope.objectives.registry import from_json
from onnxscope.objectives.targets import resolve

VECTORS = np.random.default_rng(0).standard_normal((12, 256), np.float32)
NAMES = [f"unit {at}" for at in range(11)] + ["3"]


def _npy(path: Path) -> None:
    np.save(path, VECTORS)


def _npz(path: Path) -> None:
    np.savez(path, W_dec=VECTORS, W_enc=VECTORS.T, names=NAMES, b=VECTORS[0])


def _only(path: Path) -> None:
    np.savez(path, anything=VECTORS.astype(np.float64))


def _safetensors(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"W_dec": VECTORS, "W_enc": np.ascontiguousarray(VECTORS.T)}, path)


def _linear(path: Path) -> None:
    from safetensors.numpy import save_file

    weights = np.ascontiguousarray(VECTORS.T)
    save_file({"decoder.weight": weights, "encoder.weight": VECTORS, "b": VECTORS[0]}, path)


FILES: dict[str, Callable[[Path], None]] = {
    "a.npy": _npy,
    "a.npz": _npz,
    "b.npz": _only,
    "a.safetensors": _safetensors,
    "b.safetensors": _linear,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file(squeezenet: osc.Model, tmp_path: Path, name: str) -> None:
    FILES[name](tmp_path / name)
    found = osc.dictionary(tmp_path / name, "fire5")
    assert len(found) == len(list(found)) == 12
    np.testing.assert_array_equal(found.vectors, VECTORS)
    assert found.names == (tuple(NAMES) if name == "a.npz" else ())
    unit = resolve(squeezenet, f"fire5@{tmp_path / name}:7")
    assert unit == found[7]
    assert str(unit) == f"direction fire5 {name}:7" + (" (unit 7)" if found.names else "")
    assert from_json(unit.to_json()) == unit
    images = np.random.default_rng(1).random((1, 48, 48, 3), np.float32)
    value, _ = osc.Gradient(squeezenet, unit, provider="cpu")(images)
    plain, _ = osc.Gradient(squeezenet, osc.direction("fire5", VECTORS[7]), provider="cpu")(images)
    np.testing.assert_array_equal(value, plain)


def test_units_by_name(squeezenet: osc.Model, tmp_path: Path) -> None:
    _npz(tmp_path / "a.npz")
    found = osc.dictionary(tmp_path / "a.npz", "fire5")
    assert found["unit 4"] == found[4]
    # A name that is a number means the unit of that name.
    assert found["3"] == found[11]
    assert found["5"] == found[5]
    assert resolve(squeezenet, f"fire5@{tmp_path / 'a.npz'}:unit 4") == found[4]
    negative = resolve(squeezenet, f"fire5@{tmp_path / 'a.npz'}:4", negative=True)
    assert negative == -found[4]
    middle = resolve(squeezenet, f"fire5@{tmp_path / 'a.npz'}:4", objective="neuron", y=1)
    assert middle == found.unit(4, y=1, radius=0)
    assert osc.dictionary(VECTORS, "fire5", names=NAMES)["unit 4"].name == "dictionary:4 (unit 4)"
    assert osc.dictionary(tmp_path / "a.npz", "a", key="W_enc", names=()).vectors.shape == (256, 12)
    plain = osc.dictionary(VECTORS, "fire5").unit(3, cosine=2, whitening=np.eye(256) * 2, radius=1)
    assert plain.name == "dictionary:3"
    np.testing.assert_array_equal(plain.vector, 2 * VECTORS[3])
    assert (plain.power, plain.radius) == (2, 1)


def test_an_array_of_a_file_in_an_expression(squeezenet: osc.Model, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", VECTORS[2])
    text = f"direction('fire5', array('{tmp_path / 'v.npy'}'), cosine=1)"
    assert resolve(squeezenet, text) == osc.direction("fire5", VECTORS[2], cosine=1)
    text = f"'fire5@{tmp_path / 'd.npy'}:2' - 0.1 * l2()"
    np.save(tmp_path / "d.npy", VECTORS)
    assert "d.npy:2" in str(resolve(squeezenet, text))


@pytest.mark.slow
def test_a_picture_of_a_unit_is_made_again_without_the_file(
    squeezenet: osc.Model, tmp_path: Path
) -> None:
    _npz(tmp_path / "a.npz")
    given = {"size": 48, "steps": 2, "provider": "cpu"}
    picture = osc.render(squeezenet, f"fire5@{tmp_path / 'a.npz'}:7", **given)
    picture.save(tmp_path / "picture.png")
    (tmp_path / "a.npz").unlink()
    again = osc.remake(osc.read_recipe(tmp_path / "picture.png"), squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: osc.dictionary(f / "none.npz", "a"), "there is no file .*none.npz"),
        (lambda f: osc.dictionary(f / "none.safetensors", "a"), "there is no file .*none.safet"),
        (lambda f: osc.dictionary(f / "bad.npz", "a"), "cannot read .*bad.npz"),
        (lambda f: osc.dictionary(f / "two.npz", "a"), r"holds x \(12, 256\), y \(2, 2\): say"),
        (lambda f: osc.dictionary(f / "two.npz", "a", key="X"), "no matrix 'X'; did you mean 'x'"),
        (lambda f: osc.dictionary(VECTORS[0], "a"), r"must be numbers of shape \(D, C\), not an"),
        (
            lambda f: osc.dictionary(VECTORS, 3),
            "a layer is given by its name, such as 'mixed4a', not 3",
        ),
        (
            lambda f: osc.dictionary(VECTORS, "a", key="x"),
            "names a matrix of a file, and source is none",
        ),
        (lambda f: osc.dictionary(VECTORS, "a", names=["b"]), "has 12 units, and 1 names are"),
        (
            lambda f: osc.dictionary(VECTORS, "a", names="b"),
            "must be a list of texts, one for each unit, not 'b'",
        ),
        (lambda f: osc.dictionary(VECTORS, "a")[12], "has 12 units, 0 to 11; there is no unit 12"),
        (lambda f: osc.dictionary(VECTORS, "a")["x"], "has no names, and so none called 'x'"),
        (lambda f: osc.dictionary(VECTORS, "a")[1.5], "by its number or name, not 1.5"),
        (
            lambda f: osc.dictionary(VECTORS, "a", names=NAMES)["unit 44"],
            "has no unit called 'unit 44'; did you mean 'unit 4'",
        ),
        (
            lambda f: osc.dictionary(VECTORS, "a", names=["b"] * 12)["b"],
            "12 units of dictionary are called 'b': 0, 1, .*; give the number",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 nothing")
    np.savez(tmp_path / "two.npz", x=VECTORS, y=np.eye(2))
    with pytest.raises((InputError, TargetError, ModelError), match=message):
        make(tmp_path)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("fire55@a.npy:3", "did you mean 'fire5'"),
        ("fire5@none.npy:3", "there is no file none.npy"),
        ("fire5@none.onnx:3", "cannot read none.onnx"),
        ("fire5@none.onnx:ears", "'ears' is no unit of none.onnx; expected a number"),
    ],
)
def test_targets_that_are_refused(squeezenet: osc.Model, target: str, message: str) -> None:
    with pytest.raises(OnnxscopeError, match=message):
        resolve(squeezenet, target)


def test_what_does_not_go_with_a_unit_of_a_file(squeezenet: osc.Model, tmp_path: Path) -> None:
    _npz(tmp_path / "a.npz")
    for given in ({"reduction": "sum"}, {"token": 3}, {"objective": "layer"}):
        with pytest.raises(TargetError, match="is a unit of a file, looked for at all positions"):
            resolve(squeezenet, f"fire5@{tmp_path / 'a.npz'}:4", **given)
