"""Operators that a file of an earlier opset has as the lowest opset here has them.

ONNX's converter leaves them as they are, and takes a hundredth of a second for a single node: a
file of nothing else does without it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import onnx
from onnx import defs

from ..graph.versions import OPSET

# From here on a version that has all of the one before computes the same, but for what
# `old_meanings` knows. Operators that broadcast otherwise had an attribute for it.
_FIRST = 6

# What these lacked once has no default, or one that means something else: the converter adds it.
_COMPLETED = ("RoiAlign", "Split")


def is_unchanged(node: onnx.NodeProto, written: int) -> bool:
    """Return whether a node of the opset `written` means the same in the lowest opset here.

    So do those of other domains, and of operators that the standard has not: nothing is known of
    them.
    """
    if node.domain not in ("", "ai.onnx") or not defs.has(node.op_type, written, ""):
        return True
    return written >= _FIRST and _has_only_grown(node.op_type, written)


@functools.cache
def _has_only_grown(op_type: str, written: int) -> bool:
    """Whether an operator has taken on nothing but types and options since."""
    before, now = (defs.get_schema(op_type, version, "") for version in (written, OPSET))
    if before.since_version == now.since_version:
        return True
    known, options = _options(before), _options(now)
    added = [attribute.required for name, attribute in now.attributes.items() if name not in known]
    return (
        op_type not in _COMPLETED
        and known.items() <= options.items()
        and not any(added)
        and _begins_with(now.inputs, before.inputs)
        and _begins_with(now.outputs, before.outputs)
        and before.deprecated == now.deprecated
    )


def _options(schema: defs.OpSchema) -> dict[str, tuple[object, ...]]:
    """What is said of each attribute of an operator."""
    return {
        name: (attribute.type, attribute.required, attribute.default_value.SerializeToString())
        for name, attribute in schema.attributes.items()
    }


def _begins_with(
    now: Sequence[defs.OpSchema.FormalParameter], before: Sequence[defs.OpSchema.FormalParameter]
) -> bool:
    """Whether inputs or outputs are those of an earlier version, and others that may be absent."""
    known, all_of_them = (
        [(formal.name, formal.option) for formal in formals] for formals in (before, now)
    )
    added = all_of_them[len(known) :]
    optional = defs.OpSchema.FormalParameterOption.Optional
    return all_of_them[: len(known)] == known and all(option == optional for _, option in added)
