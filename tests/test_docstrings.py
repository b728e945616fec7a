"""Public docstrings: a function's begins with a verb, a property's with an article or its like.

And what a function raises itself, of the errors for people, it says.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("benchmarks", "cli", "engine", "models")

_VERBS = """
    Add Advance Append Apply Ask Blur Bring Change Check Choose Climb Compare Compute Convert Copy
    Count Crop Cut Declare Decorate Divide Download Draw End Exaggerate Examine Export Fetch Fill
    Find Finish Follow Forecast Forget Frame Give Go Hold Invert Join Keep Leave Let List Load Look
    Magnify Make Mark Measure Mirror Move Multiply Name Note Open Paint Print Put Raise Read Refuse
    Register Remove Repeat Replace Reserve Return Rewrite Rotate Round Run Say Scale Search See
    Set Show Split Standardise Start State Store Sum Surround Take Tell Try Turn Undo Write Yield
"""
VERBS = frozenset(_VERBS.split())
"""What functions do; another verb is welcome."""

ARTICLES = frozenset({"The", "A", "An", "All", "Yes", "No", "Whether", "What", "How", "Where"})

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _public(body: Sequence[ast.stmt], inside: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Classes and functions whose names begin with no underscore, methods among them."""
    for node in body:
        if isinstance(node, ast.ClassDef | _Function) and not node.name.startswith("_"):
            yield f"{inside}{node.name}", node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node.body, f"{node.name}.")


def _decorators(node: _Function) -> set[str]:
    """The last names of decorators, without their arguments."""
    return {ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in node.decorator_list}


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function, but not in functions within it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | ast.Lambda | _Function):
            yield child
            yield from _own(child)


def _errors() -> set[str]:
    tree = ast.parse((ROOT / "engine/errors.py").read_text(encoding="utf-8"))
    return {n.name for n in tree.body if isinstance(n, ast.ClassDef) and n.name.endswith("Error")}


def _raised(node: ast.AST) -> set[str]:
    """The names of what a function raises itself."""
    raised = (each.exc for each in _own(node) if isinstance(each, ast.Raise))
    return {ast.unparse(exc.func) for exc in raised if isinstance(exc, ast.Call)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings(folder: str) -> None:
    errors = _errors()
    faults = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        for name, node in _public(ast.parse(path.read_text(encoding="utf-8")).body):
            # What a command says is its help.
            unsaid = errors if folder in ("engine", "models") else set()
            fault = _fault(node, unsaid)
            if fault:
                faults.append(f"{path.relative_to(ROOT)}: {name} {fault}")
    assert not faults, "\n".join(faults)


def _fault(node: ast.AST, errors: set[str]) -> str:
    """What is wrong with a docstring, in words; `errors` are those that it has to name."""
    assert isinstance(node, ast.ClassDef | _Function)
    text = ast.get_docstring(node)
    if not text:
        return "has no docstring"
    if isinstance(node, ast.ClassDef):
        return ""
    decorators = _decorators(node)
    first = text.split()[0].strip(".,:")
    if decorators & {"property", "cached_property"}:
        if first not in ARTICLES:
            return f"is a property and begins with {first}, not with an article"
    elif first not in VERBS and not decorators & {"command", "callback"}:
        return f"begins with {first}; with a verb it would say what it does"
    unsaid = [e for e in _raised(node) & errors if e not in text.partition("Raises:")[2]]
    if unsaid and "OnnxscopeError" not in text:
        return f"raises {', '.join(unsaid)}, and does not say so"
    return ""


def test_what_is_found() -> None:
    tree = ast.parse(
        "class A:\n"
        "    @functools.cached_property\n"
        "    def b(self):\n"
        "        def inner():\n"
        "            raise InputError('inner')\n"
        "        raise ModelError('own')\n"
        "def _private(): pass\n"
    )
    found = dict(_public(tree.body))
    assert [*found] == ["A", "A.b"]
    method = found["A.b"]
    assert isinstance(method, ast.FunctionDef)
    assert _decorators(method) == {"cached_property"}
    assert _raised(method) == {"ModelError"}
    assert {"InputError", "ModelError"} <= _errors()
    assert _fault(method, set()) == "has no docstring"
    for text, fault in (("Of it.", "begins with Of"), ("Return it.", "raises ModelError")):
        function = ast.parse(f"def f(x):\n    '{text}'\n    raise ModelError('so')").body[0]
        assert _fault(function, {"ModelError"}).startswith(fault)
