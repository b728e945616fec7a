"""What `check_rule` says of many cases: those that it finds wrong, and those of no elements."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import onnxscope as osc
from all_rule_cases import Case


def telling(cases: Iterable[Case]) -> list[Case]:
    """Leave out cases of an operator that have nothing new to it.

    New are attributes, numbers of outputs, opsets, and kinds of inputs: which are given, as real
    numbers, as constants or by the run. Of ranks `tests/engine/rules` has all.
    """
    seen: dict[str, set[object]] = {}
    found = []
    for case in cases:
        shown = {case.opset, case.outputs, *case.attributes} | {
            (number, type(given)) for number, given in enumerate(case.inputs)
        }
        if not shown <= seen.setdefault(case.op, set()):
            found.append(case)
            seen[case.op] |= shown
    return found


def check_all(
    cases: Iterable[Case], check: Callable[[Case], osc.RuleCheck]
) -> tuple[dict[str, str], list[str]]:
    """Check the rules of all cases.

    Returns:
        What is wrong, by the case, and the operators that give nothing to be checked at the inputs
        of theirs.
    """
    wrong: dict[str, str] = {}
    empty: list[str] = []
    for case in cases:
        try:
            found = check(case)
        except osc.OnnxscopeError as error:
            # Where there is no element there is nothing to check.
            if "gives nothing at these inputs" not in str(error):
                raise
            empty.append(case.op)
            continue
        if not found.right or found.unnamed:
            wrong[str(case)] = str(found)
    return wrong, empty
