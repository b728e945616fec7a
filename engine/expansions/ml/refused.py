"""Operators of traditional machine learning that are refused, each with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import OperatorError
from ...graph.domains import ML
from ...graph.tensor import Tensor
from ..table import Call, Expansion

_MAP = "it reads a map, which is no tensor; use the part of the model behind it"

REASONS: dict[str, str] = {"CastMap": _MAP, "DictVectorizer": _MAP}


def _refuse_by_name(call: Call) -> Sequence[Tensor | None]:
    raise OperatorError(f"{call.where} of {ML} is not supported: {REASONS[call.node.op_type]}")


EXPANSIONS: dict[tuple[str, str], Expansion] = {(ML, name): _refuse_by_name for name in REASONS}
