"""The values of a network that takes no pictures, shown by `inspect`."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import LayerError, OnnxscopeError
from ..gradient.trial import find_example
from ..plain import from_digits
from .console import plural, show_facts
from .layer_table import cells, module_class, show_rows, table_rows
from .typed import command_line, show_commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from ..network.values import Shape, Value, Values

# Of more inputs or outputs than these that look alike only the first is listed.
_ALIKE = 3

# Longer formulas would make a table of shapes hard to read.
_LONGEST = 12
# Where there is no room, sizes are cut to so many characters.
_SHORTEST = 8

# Sizes of open axes: of the first, which is how many examples there are, and of the others.
_EXAMPLE = (1, 8)

_UNSHOWN = (
    "none of its inputs takes any: its values cannot be rendered, but can be differentiated and "
    "verified"
)


@dataclass(frozen=True)
class Asked:
    """What is shown: a network, and how it was asked for.

    Attributes:
        model: Its name or path, as it was typed.
        values: What is known of its values.
        options: What was said of its inputs, as it was typed: `--shape x=1,8 --input rate=16000`.
    """

    model: str
    values: Values
    options: Sequence[str] = ()


def show_values(console: Console, asked: Asked, *, every: bool) -> None:
    """Print what a network takes and gives, and its values as a table."""
    values = asked.values
    shown = [value for value in values.computed.values() if every or value.main]
    shown = shown or list(values.computed.values())
    show_facts(console, asked.model, _facts(values))
    console.print()
    shortened = _show_table(console, values, shown, every=every)
    remarks = []
    rest = len(values.computed) - len(shown)
    if rest:
        remarks.append(
            f"{plural(rest, 'more value')} inside of blocks and branches and before activations: "
            "--all shows them too."
        )
    if values.rest:
        remarks.append(f"{plural(values.rest, 'more value')} of shapes and weights alone.")
    if shortened is not None:
        name, short, whole = shortened
        remarks.append(
            f"{short} stands for sizes that follow from others, such as {whole} of {name}; "
            "`onnxscope inspect MODEL VALUE` shows them."
        )
    for remark in remarks:
        console.print(f"\n{remark}", style="dim")
    try:
        example = _gradient_command(asked, *find_example(values))
    except OnnxscopeError as error:
        advice = _shape_advice(values, str(error))
        console.print(f"\nno gradient was found: {error}{advice}", soft_wrap=True)
    else:
        show_commands(console, "for example", [example])


def show_value(console: Console, asked: Asked, target: str) -> None:
    """Print what is known of one value, or of one unit of it.

    Raises:
        LayerError: there is no such value or unit.
    """
    value, unit = _find(asked.values, target)
    title = value.title if unit is None else f"unit {unit} of {value.title}"
    show_facts(console, f"{title} of {asked.model}", _value_facts(asked, value, unit))


def shape_text(shape: Shape | None, longest: int | None = None) -> str:
    """Return a shape as `N×64×(L + 1)`.

    Args:
        shape: Sizes and formulas; `None` where even their number is unknown.
        longest: Formulas of more characters are named by what they follow from: `f(T)`.
    """
    if shape is None:
        return "?"
    return "×".join(_size_text(size, longest) for size in shape) or "one number"


# ---------------------------------------------------------------------------------------------


def _size_text(size: int | str, longest: int | None) -> str:
    text = str(size)
    if " " not in text and "(" not in text:
        return text
    names = dict.fromkeys(re.findall(r"\b[^\W\d]\w*\b(?!\()", text))
    short = f"f({', '.join(names)})"
    if longest is not None and len(text) > max(longest, len(short)):
        return short
    return f"({text})" if _is_sum(text) else text


def _cut_shape(shape: Shape | None) -> str:
    """A shape for narrow tables: `batch_s…×4×f(…)×8`."""
    if shape is None:
        return "?"
    return "×".join(_cut_size(str(size)) for size in shape) or "one number"


def _cut_size(size: str) -> str:
    if len(size) <= _SHORTEST:
        return f"({size})" if _is_sum(size) else size
    return f"{size[: _SHORTEST - 1]}…" if size.isidentifier() else "f(…)"


def _is_sum(text: str) -> bool:
    """Whether a formula is more than one term: whether there are spaces outside of its brackets."""
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == " " and not depth:
            return True
    return False


def _facts(values: Values) -> Iterator[tuple[str, str]]:
    yield "pictures", _UNSHOWN
    yield "inputs", _listed(values.inputs.values()) or "none"
    given = [values.computed[name] for name in values.outputs if name in values.computed]
    yield "outputs", _listed(given) or "none of what is computed from the inputs"
    weights = list(values.weights)
    if weights:
        ends = weights[:1] if len(weights) == 1 else [f"from {weights[0]} to {weights[-1]}"]
        yield "weights", f"{len(weights):,}, {ends[0]}"
    yield "values", f"{len(values.computed):,}"


def _listed(values: Iterable[Value]) -> str:
    """A line for each: name in the file, shape and type; for many alike, the first."""
    alike: dict[tuple[object, ...], list[Value]] = {}
    for value in values:
        looks = (re.sub(r"\d+", "#", value.name), value.shape, value.dtype)
        alike.setdefault(looks, []).append(value)
    lines: list[tuple[str, str]] = []
    for like in alike.values():
        shown, rest = (like[:1], like[1:]) if len(like) > _ALIKE else (like, [])
        more = f", and {len(rest)} alike" if rest else ""
        lines += [(v.name, f"{shape_text(v.shape)} {v.dtype}{more}") for v in shown]
    width = max((len(name) for name, _ in lines), default=0)
    return "\n".join(f"{name:{width}}  {text}" for name, text in lines)


def _show_table(
    console: Console, values: Values, shown: list[Value], *, every: bool
) -> tuple[str, str, str] | None:
    """Print the table; gives where it first shortens a size, how, and what the size is."""
    naming = values.names.naming
    rows = table_rows(naming, shown, fold=not every)
    types = {value.dtype for value in shown} - {"float32"}
    columns = {
        "value": [row.text for row in rows],
        "shape": cells(rows, lambda value: shape_text(value.shape, _LONGEST)),
        "type": cells(rows, lambda value: value.dtype if types else ""),
        "operator": cells(rows, lambda value: value.op_type),
        "module": cells(rows, lambda value: module_class(naming, value)),
        "name in the file": cells(rows, lambda value: value.name if value.alias else ""),
    }
    cut = cells(rows, lambda value: _cut_shape(value.shape))
    narrower = {"name in the file": None, "module": None, "shape": cut, "operator": None}
    show_rows(console, rows, columns, narrower)
    for value in [row.entry for row in rows if row.entry is not None]:
        for size in value.shape or ():
            short = _size_text(size, _LONGEST)
            if short != _size_text(size, None):
                return value.title, short, str(size)
    return None


def _find(values: Values, target: str) -> tuple[Value, int | None]:
    """The value that a target names, and the unit of it."""
    name, separator, unit = target.rpartition(":")
    if not separator or not unit.isdecimal() or values.names.meanings(target):
        return values[target], None
    value = values[name]
    count, number = _units(value), from_digits("the unit", unit, LayerError)
    if count is None or (isinstance(count, int) and number >= count):
        has = "no units" if count is None else f"{count} units, 0 to {int(count) - 1}"
        raise LayerError(f"{value.title} has {has}; there is no unit {unit}")
    return value, number


def _units(value: Value) -> int | str | None:
    """How many units a value has: as `verify` takes them, along its second axis or its only one."""
    if not value.shape or value.op_type in ("input", "weight"):
        return None
    return value.shape[min(1, len(value.shape) - 1)]


def _value_facts(asked: Asked, value: Value, unit: int | None) -> Iterator[tuple[str, str]]:
    values = asked.values
    naming = values.names.naming
    if value.alias:
        yield "name in the file", value.name
    others = [name for name in naming.names_of(value.name) if name != value.title]
    if others:
        yield "also called", ", ".join(others)
    yield "shape", shape_text(value.shape)
    if value.unknown:
        yield "", f"as the file says; it cannot be told from the inputs': {value.unknown}"
    yield "type", value.dtype
    yield (
        ("kind", f"an {value.op_type}")
        if value.op_type == "input"
        else (("kind", "a weight") if value.op_type == "weight" else ("operator", value.op_type))
    )
    module = module_class(naming, value)
    if module:
        yield "module", module
    count = _units(value)
    if count is not None:
        numbers = f", 0 to {count - 1}" if isinstance(count, int) else ""
        axis = "only" if value.shape is not None and len(value.shape) == 1 else "second"
        yield "units", f"{count}{numbers}, along the {axis} axis"
    tables = values.tables(value.name)
    if tables:
        yield "looked up in", ", ".join(f"{t.name} ({shape_text(t.shape)})" for t in tables)
    yield "gradient", _gradient(asked, value)
    if unit is not None or (value.real and value.name in values.computed):
        target = value.title if unit is None else f"{value.title}:{unit}"
        shapes = [word for shape in _needed_shapes(asked.values) for word in ("--shape", shape)]
        yield "check it", command_line("verify", asked.model, target, *asked.options, *shapes)


def _gradient(asked: Asked, value: Value) -> str:
    values = asked.values
    if not value.real:
        return "none: only real numbers have one"
    try:
        if value.name in values.computed:
            return _gradient_command(asked, *find_example(values, of=value.name))
        return _gradient_command(asked, *find_example(values, wrt=value.name))
    except OnnxscopeError as error:
        return f"none was found: {error}{_shape_advice(values, str(error))}"


def _gradient_command(asked: Asked, of: str, wrt: str) -> str:
    """What to type; by the names that the tables show."""
    values = asked.values
    words = ["gradient", asked.model, values[of].title, "--wrt", values[wrt].title, *asked.options]
    words += ["-o", "gradient.onnx"]
    return command_line(*words)


def _shape_advice(values: Values, error: str) -> str:
    """What to type where more may be known with the inputs' shapes.

    Empty where all are known, or where an error says itself what to type.
    """
    if "(--" in error:
        return ""
    examples = _example_shapes(values, values.open_inputs)
    if not examples or not any(value.unknown for value in values.computed.values()):
        return ""
    words = " ".join(f"--shape {shlex.quote(example)}" for example in examples)
    return f"; with shapes, such as {words}, more may be known"


def _needed_shapes(values: Values) -> list[str]:
    """Shapes that `verify` has to be given: it takes one example where that alone is open."""

    def is_open(name: str) -> bool:
        shape = values.inputs[name].shape
        return shape is None or not all(isinstance(size, int) for size in shape[1:])

    # What is computed at given values has their shapes.
    unknown = [name for name in values.open_inputs if name not in values.constants]
    return _example_shapes(values, unknown) if any(map(is_open, unknown)) else []


def _example_shapes(values: Values, names: Sequence[str]) -> list[str]:
    """Shapes of some inputs as they are typed; one name of a size stands for one number."""
    chosen: dict[str, int] = {}
    examples = []
    for name in names:
        shape = values.inputs[name].shape
        sizes = (
            _EXAMPLE
            if shape is None
            else [_example_size(size, axis, chosen) for axis, size in enumerate(shape)]
        )
        examples.append(f"{name}={','.join(map(str, sizes))}")
    return examples


def _example_size(size: int | str, axis: int, chosen: dict[str, int]) -> int:
    """A size, as chosen for its name before."""
    if isinstance(size, int):
        return size
    example = _EXAMPLE[min(axis, 1)]
    return example if size == "?" else chosen.setdefault(size, example)
