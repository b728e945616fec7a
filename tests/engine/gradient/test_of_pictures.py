"""Gradients of pictures are kept as pictures' graphs are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.gradient import objective
from onnxscope.rules.by_provider import rules_for


def test_gradients_are_kept_as_well(
    squeezenet: osc.Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By model, objective and shape; with rules of the user's, or where it is not wanted, never."""
    built: list[tuple[int, ...]] = []
    build = objective.gradient_of_image

    def counted(*arguments: Any) -> onnx.ModelProto:
        built.append(arguments[2])
        return build(*arguments)

    monkeypatch.setattr(objective, "gradient_of_image", counted)
    picture = np.random.default_rng(0).random((40, 40, 3), np.float32)

    def evaluate(target: str = "fire2:3", size: int = 40, **options: Any) -> np.ndarray:
        gradient = osc.Gradient(squeezenet, target, provider="cpu", **options)
        return gradient(picture[:size])[1]

    first = evaluate()
    np.testing.assert_array_equal(evaluate(), first)
    assert len(built) == 1
    evaluate("fire2:4")
    evaluate(size=36)
    assert len(built) == 3
    np.testing.assert_array_equal(evaluate(cache=False), first)
    np.testing.assert_array_equal(evaluate(rules=rules_for("cpu")), first)
    assert len(built) == 5
    assert len(list(folder.iterdir())) >= 3
