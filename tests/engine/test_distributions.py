"""Versions and places of distributions are those that `importlib.metadata` finds."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from onnxscope.distributions import installed


def test_they_are_those_that_distributions_say_of_themselves() -> None:
    names = {found.name for found in importlib.metadata.distributions()}
    assert {"onnx", "numpy", "onnx-ir"} <= {name.replace("_", "-") for name in names}
    for name in names:
        expected = importlib.metadata.distribution(name)
        found = installed(name)
        assert found is not None
        assert found.version == expected.version, name
        assert found.folder.resolve() == Path(str(expected.locate_file(""))).resolve(), name


def test_a_name_may_be_written_in_several_ways() -> None:
    assert installed("ONNX.ir") == installed("onnx_ir") == installed("onnx-ir")
    assert installed("onnx-i") is None
    assert installed("no such distribution") is None


def test_the_first_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Some_Thing-1.2.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "nowhere"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed("some-thing") == ("1.2", tmp_path)
    (tmp_path / "onnx-0.1.dist-info").mkdir()
    assert installed("onnx") == ("0.1", tmp_path)


def test_what_a_checkout_says_of_itself_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "Metadata-Version: 2.1\nName: some-thing\nVersion: {}\n"
    checkout, site = tmp_path / "checkout", tmp_path / "site"
    for folder, version in (
        (checkout / "Some_Thing.egg-info", "1.3"),
        (site / "some_thing-1.2.dist-info", "1.2"),
    ):
        folder.mkdir(parents=True)
        name = "PKG-INFO" if folder.suffix == ".egg-info" else "METADATA"
        (folder / name).write_text(text.format(version))
    monkeypatch.syspath_prepend(str(site))
    assert installed("some-thing") == ("1.2", site)
    monkeypatch.syspath_prepend(str(checkout))
    assert installed("some-thing") == ("1.3", checkout)
    # Of both in one folder `importlib.metadata` chooses.
    both = site / "some_thing.egg-info"
    both.mkdir()
    (both / "PKG-INFO").write_text(text.format("1.4"))
    monkeypatch.syspath_prepend(str(site))
    assert installed("some-thing") == (importlib.metadata.version("some-thing"), site)


def test_what_is_no_wheel_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Metadata-Version: 2.1\nName: thing\nVersion: {}\n"
    egg = tmp_path / "thing.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text(text.format("3.4"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed("thing") == ("3.4", tmp_path)
    # Another version's folder was left behind: neither name tells which of both is there.
    for version in ("3.5", "3.6"):
        (tmp_path / f"thing-{version}.dist-info").mkdir()
        (tmp_path / f"thing-{version}.dist-info" / "METADATA").write_text(text.format(version))
    found = installed("thing")
    assert found is not None
    assert found.version == importlib.metadata.version("thing")
