"""The page of operators is that of the table of rules."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import onnx
import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_operators_is_current():
    spec = importlib.util.spec_from_file_location("make_operators", DOCS / "make_operators.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    page = (DOCS / "operators.md").read_text()
    if f"onnx {onnx.__version__}" not in page:
        pytest.skip(f"the page lists the operators of another version than onnx {onnx.__version__}")
    assert page.startswith(maker.operator_table()), "run python docs/make_operators.py"
    assert " wrong" not in page[page.index(maker.SUITE_HEADING) :]
