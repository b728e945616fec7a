"""The examples of the page "how to add" run as they stand; the places that it names are there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import typer
from onnxscope.cli import app as commands
from onnxscope.objectives.algebra import OBJECTIVES
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
RULE, OBJECTIVE, COMMAND = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(code: str, name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Run code as a module of that name."""
    module = type(sys)(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(code, name, "exec"), module.__dict__)
    return module.__dict__


def test_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(run(RULE, "my_rule", monkeypatch)["found"]).startswith(
        "the rule of Softsign is right"
    )


def test_the_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OBJECTIVES, "_kinds", dict(OBJECTIVES.kinds))
    monkeypatch.setattr(OBJECTIVES, "_names", dict(OBJECTIVES._names))
    assert run(OBJECTIVE, "my_objective", monkeypatch)["picture"].images.shape == (1, 48, 48, 3)


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    app = run(COMMAND, "onnxscope.cli.field", monkeypatch)["app"]
    assert isinstance(app, typer.Typer)
    # As one of the commands: its line, and its name on the command line.
    monkeypatch.setattr(commands, "COMMANDS", (*commands.COMMANDS, "field"))
    monkeypatch.setattr(
        commands, "import_module", lambda name, package: sys.modules[package + name]
    )
    done = CliRunner().invoke(commands.app, ["field", "squeezenet", "fire5"])
    assert re.fullmatch(r"\d+×\d+ pixels\n", done.stdout), done.output


def test_the_places_that_it_names_are_there() -> None:
    new = {"engine/objectives/prominence.py", "cli/field.py"}
    new |= {"tests/engine/objectives/test_prominence.py", "tests/cli/test_field.py"}
    named = set(re.findall(r"`((?:engine|tests|cli|docs)/[\w/.]+)`", PAGE))
    assert new < named
    assert [path for path in sorted(named - new) if not (ROOT / path).exists()] == []
