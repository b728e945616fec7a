"""Options that several commands take together, as one parameter of each: a dataclass.

A command says `preprocessing: Preprocessing`, and `expanded` makes an option of each field,
in the fields' order, where the group stands among the command's other parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_args, get_origin, get_type_hints

Command = Callable[..., None]


@dataclass(frozen=True, init=False)
class Without:
    """Beside a group in `Annotated`: the fields of which a command makes no options.

    Attributes:
        names: The fields, which keep their defaults.
    """

    names: frozenset[str]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", frozenset(names))


def expanded(command: Command) -> Command:
    """Return a command with the fields of its groups as parameters, as Typer reads signatures.

    Args:
        command: A function, some of whose parameters are annotated with dataclasses. Each field of
            those is annotated as Typer wants it, `Annotated[int, typer.Option(…)]`.

    Raises:
        TypeError: two options would have the same name, `Without` names no field, or a field that
            has no default.
    """
    hints = get_type_hints(command, include_extras=True)
    flat: list[Parameter] = []
    groups: dict[str, tuple[type, list[str]]] = {}
    for parameter in signature(command).parameters.values():
        kind, left_out = _group(hints[parameter.name])
        if kind is None:
            changed = parameter.replace(
                annotation=hints[parameter.name], kind=Parameter.KEYWORD_ONLY
            )
            flat.append(changed)
            continue
        options = _options(kind, left_out)
        groups[parameter.name] = kind, [option.name for option in options]
        flat += options
    twice = {one.name for one in flat if sum(one.name == other.name for other in flat) > 1}
    if twice:
        raise TypeError(f"{command.__name__} takes {', '.join(sorted(twice))} twice")

    @wraps(command)
    def call(**given: Any) -> None:
        made = {
            name: kind(**{field: given.pop(field) for field in names})
            for name, (kind, names) in groups.items()
        }
        command(**given, **made)

    # Typer reads both.
    call.__annotations__ = {one.name: one.annotation for one in flat} | {"return": None}
    call.__dict__["__signature__"] = Signature(flat)
    return call


def _group(annotation: Any) -> tuple[type | None, frozenset[str]]:
    """The dataclass that a parameter is, if it is one, and the fields that are left out of it."""
    left_out: frozenset[str] = frozenset()
    if get_origin(annotation) is Annotated:
        annotation, *marks = get_args(annotation)
        left_out = left_out.union(*(mark.names for mark in marks if isinstance(mark, Without)))
    is_group = isinstance(annotation, type) and is_dataclass(annotation)
    return (annotation if is_group else None), left_out


def _options(kind: type, left_out: frozenset[str]) -> list[Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    known = {field.name: field.default for field in fields(kind)}
    wrong = [name for name in sorted(left_out) if known.get(name, MISSING) is MISSING]
    if wrong:
        raise TypeError(
            f"{', '.join(wrong)} cannot be left out of {kind.__name__}: only fields with defaults "
            f"can, {', '.join(name for name, value in known.items() if value is not MISSING)}"
        )
    return [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if default is MISSING else default,
            annotation=hints[name],
        )
        for name, default in known.items()
        if name not in left_out
    ]
