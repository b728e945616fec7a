"""Every public function refuses every wrong argument in a sentence that names the argument.

All that `onnxscope` exports is gone through, and of it every parameter; each is given values of a
dozen kinds. What is right is listed in `right_calls_of_…`; all else has to raise an
`OnnxscopeError`, before any work.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import onnxscope as osc
import pytest
import right_calls_of_blocks
import right_calls_of_microscopes
import right_calls_of_models
import right_calls_of_objectives
import right_calls_of_parts
from right_calls import PLACE, WRONG, Call

pytestmark = pytest.mark.slow  # the right calls take ten seconds

MADE = {
    "Blocks": "blocks makes it",
    "Examples": "examples makes it",
    "Explanation": "explain makes it",
    "Microscope": "microscope makes it",
    "Model": "load makes it",
    "Picture": "render makes it",
    "Progress": "render makes it",
    "Recipe": "a picture has it",
    "RuleCheck": "check_rule makes it",
    "Score": "score makes it",
    "Server": "serve makes it",
    "Tensor": "an operator makes it",
    "UnitSpectrum": "unit_spectrum makes it",
    "Verification": "verify makes it",
    "Objective": "it is abstract",
    "OnnxscopeError": "it is raised",
    "OnnxscopeWarning": "it is warned of",
}
"""What nobody calls."""

PARTS = {
    "Adam",
    "Constant",
    "Cosine",
    "Cppn",
    "Fourier",
    "Laplacian",
    "LBFGS",
    "Linear",
    "Maco",
    "Momentum",
    "NAdam",
    "Objective",
    "Pixels",
    "Shared",
    "Transparent",
}
"""Parts of an ascent, whose methods it calls itself."""

ASKED = {"Model.append", "RuleTable.find"}
"""What a graph under construction is given, by what makes it."""


def _public() -> Iterator[str]:
    """The names of all that can be called, methods as `Class.method`."""
    for name in osc.__all__:
        value = getattr(osc, name)
        if callable(value) and name not in MADE:
            yield name
        if inspect.isclass(value) and not issubclass(value, Exception) and name not in PARTS:
            for method, function in vars(value).items():
                public = not method.startswith("_") or method == "__call__"
                if public and (inspect.isfunction(function) or isinstance(function, staticmethod)):
                    yield f"{name}.{method}"


@cache
def _parameters() -> tuple[tuple[str, str], ...]:
    return tuple(_each_parameter())


def _each_parameter() -> Iterator[tuple[str, str]]:
    for name in _public():
        if name in ASKED:
            continue
        function = getattr(osc, name) if "." not in name else _attribute(name)
        for parameter, kind in inspect.signature(function).parameters.items():
            if kind.kind is kind.VAR_KEYWORD:
                yield from ((name, place) for place in PLACE)
            elif parameter != "self":
                yield name, parameter


def _attribute(name: str) -> Any:
    owner, method = name.split(".")
    return getattr(getattr(osc, owner), method)


@pytest.fixture(scope="module")
def calls() -> dict[str, Call]:
    return (
        right_calls_of_blocks.calls()
        | right_calls_of_microscopes.calls()
        | right_calls_of_models.calls()
        | right_calls_of_objectives.calls()
        | right_calls_of_parts.calls()
    )


def test_nothing_public_is_forgotten(calls: dict[str, Call]) -> None:
    # What takes no arguments cannot be given wrong ones.
    without = {n for n in {*_public()} - ASKED if n not in {name for name, _ in _parameters()}}
    missing = {*_public()} - ASKED - without - {*calls}
    assert not missing, f"tell in right_calls_of_… which arguments of {missing} are right"
    assert {*calls} <= {*_public()}
    assert {*_public()} >= ASKED


def _called(call: Call, parameter: str, value: object) -> None:
    parameters = inspect.signature(call.function).parameters
    given = {**call.given, parameter: value}
    positional: list[object] = []
    several = [name for name, kind in parameters.items() if kind.kind is kind.VAR_POSITIONAL]
    if several and several[0] in given:
        before = list(parameters)[: list(parameters).index(several[0]) + 1]
        positional = [given.pop(name) for name in before]
    call.function(*positional, **given)


@pytest.mark.parametrize("name", sorted({name for name, _ in _parameters()}))
def test_what_is_wrong_is_named(
    calls: dict[str, Call], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if name not in calls:
        pytest.skip("a test above says that it is forgotten")
    parameters = [parameter for other, parameter in _parameters() if other == name]
    faults = [fault for parameter in parameters for fault in _faults(calls[name], parameter)]
    assert not faults, "\n".join(faults)


def _faults(call: Call, parameter: str) -> Iterator[str]:
    """What is taken though it is wrong, or refused without the parameter's name."""
    right = {*filter(None, call.right.get(parameter, "").split("; "))}
    declared = inspect.signature(call.function).parameters.get(parameter)
    if declared is None or declared.default is None:
        right.add("None")
    words = call.words.get(parameter, parameter)
    for kind, value in WRONG.items():
        if kind in right:
            continue
        what = f"{kind} for {parameter}"
        try:
            _called(call, parameter, value)
        except osc.OnnxscopeError as error:
            if not re.search(words, str(error)):
                yield f"{what}: does not say {words}: {error}"
            if len(str(error)) > 500:
                yield f"{what}: has {len(str(error))} characters"
        except Exception as error:
            yield f"{what}: {type(error).__name__}: {error}"
        else:
            yield f"{what}: taken"
