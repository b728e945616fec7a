"""What was given on the command line, and how sizes and numbers of steps are read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import typer

from ..errors import InputError


def given_besides(ctx: typer.Context, *allowed: str) -> list[str]:
    """Return what was given on the command line besides some parameters, as users type it."""
    return [
        parameter.opts[-1] if parameter.opts[-1].startswith("-") else parameter.name.upper()
        for parameter in ctx.command.params
        if parameter.name and parameter.name not in allowed and is_given(ctx, parameter.name)
    ]


def is_given(ctx: typer.Context, name: str) -> bool:
    """Return whether a parameter was given on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def targets_and_photos(given: Collection[str]) -> tuple[list[str], list[Path]]:
    """Return targets, and the photographs behind them.

    Raises:
        InputError: one of them is missing.
    """
    texts = list(given)
    count = len(texts)
    # What is first is a target, even where a folder has its name.
    while count > 1 and Path(texts[count - 1]).exists():
        count -= 1
    if not texts or count == len(texts):
        last = f": there is no folder or file {texts[-1]}" if len(texts) > 1 else ""
        raise InputError(f"give TARGET… and behind them folders of photographs{last}")
    return texts[:count], [Path(text) for text in texts[count:]]


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return `224` or `240x320` as height and width.

    Raises:
        InputError: it is neither.
    """
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise InputError(f"--size is a number of pixels such as 224, or 240x320, not {text!r}")
    return numbers[0], numbers[-1]


def parse_sizes(text: str | None) -> tuple[int, ...] | None:
    """Return what `parse_size` does, or of volumes and videos `16x112x112` as three numbers.

    Raises:
        InputError: it is something else.
    """
    parts = (text or "").lower().replace("×", "x").split("x")
    if len(parts) == 3 and all(part.isdecimal() for part in parts):
        from ..plain import from_digits

        return tuple(from_digits("a number of --size", part) for part in parts)
    return parse_size(text)


def parse_channels(option: str, text: str) -> tuple[int, ...]:
    """Return `3,2,1` as numbers of channels.

    Raises:
        InputError: it is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"{option} takes channels such as 3,2,1, from 0, not {text!r}")
    from ..plain import from_digits

    return tuple(from_digits(f"a channel of {option}", part) for part in parts)


def parse_steps(text: str) -> tuple[int, ...]:
    """Return `1,32,128` as numbers of steps.

    Raises:
        InputError: it is something else.
    """
    try:
        steps = tuple(int(part) for part in text.split(","))
    except ValueError:
        steps = ()
    if not steps or min(steps) < 1:
        raise InputError(f"--snapshots are numbers of steps such as 1,32,128, not {text!r}")
    return steps
