"""The cases of all operators: each family has a module of its own, `rule_cases_….py`."""

from __future__ import annotations

import importlib
from pathlib import Path

from rule_cases import CASES, Case, Const, Fed

__all__ = ["CASES", "Case", "Const", "Fed"]

for _path in sorted(Path(__file__).parent.glob("rule_cases_*.py")):
    importlib.import_module(_path.stem)
