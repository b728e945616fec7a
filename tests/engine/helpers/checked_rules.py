"""What `check_rule` says of many cases: those that it finds wrong, and those of no elements."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import onnxscope as osc
from all_rule_cases import Case


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
