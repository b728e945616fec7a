"""A case of every operator that has a rule agrees with differences."""

from __future__ import annotations

import onnxscope as osc
import pytest
from all_rule_cases import CASES

# How much they give is in their data: no cotangent can be drawn beforehand.
_SIZED_BY_DATA = {"Range", "Unique"}


def _usable(case):
    return case.finite and case.runtime == "onnxruntime"


def _first_cases():
    """Of each operator the first case away from kinks that slopes, in either precision."""
    flat = ("one element", "constant 0", "integer 0", "1 to -1", "1e-09 to 1", "far away")
    found = {}
    for case in CASES:
        steep = not any(words in case.label for words in flat)
        if case.op not in _SIZED_BY_DATA and steep and _usable(case):
            dtype = case.feeds[f"x{case.positions[0]}"].dtype
            found.setdefault((case.op, dtype.name), case)
    return list(found.values())


@pytest.mark.sample(12)
@pytest.mark.parametrize("case", _first_cases(), ids=str)
def test_every_operator_agrees(case):
    result = osc.verify(case.model(), at=case.feeds)
    assert result.verdict == "agrees", result
    assert result.resolution < 1e-3


def test_every_operator_has_such_a_case():
    usable = {case.op for case in CASES if _usable(case)}
    assert {case.op for case in _first_cases()} == usable - _SIZED_BY_DATA
