"""The table of gradient rules: which operator is differentiated how.

A rule is a function from the cotangent of an operator's output to the cotangent of one of its
inputs, written with the operators of the graph (`op`) and a fixed vocabulary:

    rules.define("Mul", lambda op, dy, a, b: dy * b, lambda op, dy, a, b: dy * a)
    rules.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y * y))

Positional parameters after `dy` are the operator's inputs in the order of its ONNX schema (`None`
where an optional one is left out). Keyword-only parameters are its attributes by their ONNX names,
with the schema's defaults (`None` where it has none), and besides:

* `y`: the output whose cotangent `dy` is; `ys`, `dys`: all outputs and their cotangents, `None`
  where nothing depends on an output;
* `index`: which input the result belongs to, for rules that serve all inputs alike (`each`);
* `table`: the table that the gradient is built with, for rules that count on others;
* `wanted`: the values whose cotangents are asked for.

A rule returns `None` for a zero derivative. It need not undo broadcasting: the walk does.
An attribute that a node sets and its rule does not name is an error, never ignored.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir
from onnx import defs, helper

from ..errors import OperatorError, nearest_or_listed
from ..graph.tensor import Tensor
from ..plain import flag, of_kind, shown, text, texts

Rule = Callable[..., Tensor | None]
AttributeValues = Mapping[str, object]

_CONTEXT = frozenset({"y", "ys", "dys", "index", "table", "wanted"})


@dataclass(frozen=True)
class InputRule:
    """One rule with what its signature says.

    Attributes:
        function: The rule itself.
        arity: How many inputs it takes, or `None` where it takes all (`*xs`).
        attributes: Names of the attributes that it takes.
        context: Which of `y`, `ys`, `dys`, `index`, `table`, `wanted` it takes.
    """

    function: Rule
    arity: int | None
    attributes: frozenset[str]
    context: frozenset[str]


@dataclass(frozen=True)
class OperatorRules:
    """The rules of one operator.

    Attributes:
        inputs: By input position; `None` for an input without a derivative.
        each: Serves every input where `inputs` is empty.
        ignores: Attributes that do not matter to the derivative.
    """

    inputs: tuple[InputRule | None, ...]
    each: InputRule | None
    ignores: frozenset[str]

    def for_input(self, index: int) -> InputRule | None:
        """Return the rule for the input at `index`, or `None` where its derivative is zero."""
        if self.each is not None:
            return self.each
        return self.inputs[index] if index < len(self.inputs) else None


class RuleTable:
    """Operators and their gradient rules.

    A table is data: `rules | overrides` gives another one, in which the rules of `overrides` come
    first. Nothing is global.
    """

    def __init__(self, *, blocked: bool = False) -> None:
        """Make an empty table.

        Args:
            blocked: Whether its rules are for a runtime that keeps the channels of convolutions in
                blocks, as ONNX Runtime does on CPUs. Then what is written with it, and with any
                table that it is merged into, is rewritten to stay in that layout.
        """
        self.blocked = flag("blocked", blocked)
        self._rules: dict[str, OperatorRules] = {}
        self._constant: dict[str, str] = {}

    def __contains__(self, op_type: str) -> bool:
        return op_type in self._rules or op_type in self._constant

    def __iter__(self) -> Iterator[str]:
        """The operators that have a rule, in the order of definition."""
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __getitem__(self, op_type: str) -> OperatorRules:
        return self._rules[op_type]

    def __or__(self, overrides: RuleTable) -> RuleTable:
        if not isinstance(overrides, RuleTable):
            raise OperatorError(
                f"a table of rules must be joined with another, not {shown(overrides)}"
            )
        merged = RuleTable(blocked=self.blocked or overrides.blocked)
        merged._rules = {**self._rules, **overrides._rules}
        merged._constant = {**self._constant, **overrides._constant}
        return merged

    def __reduce__(self) -> tuple[object, ...]:
        """Refuse to be pickled.

        Raises:
            OperatorError: always; most rules are functions without a name of their own.
        """
        raise OperatorError(
            "a table of rules is made of functions, and cannot be pickled: make it anew in each "
            "process, as by standard_rules() | mine"
        )

    def agrees(self, other: RuleTable, op_type: str) -> bool:
        """Return whether both tables have rules for an operator, and the same ones.

        Raises:
            InputError: the other is no table.
        """
        of_kind("other", other, RuleTable, "standard_rules()")
        text("op_type", op_type, "the name of an operator")
        rules = self._rules.get(op_type)
        return rules is not None and rules == other._rules.get(op_type)

    @property
    def without_derivative(self) -> Mapping[str, str]:
        """The operators whose derivative is zero or undefined everywhere, with the reason.

        Those of other domains are called `domain::operator`.
        """
        return self._constant

    def define(
        self,
        op_type: str,
        *inputs: Rule | None,
        each: Rule | None = None,
        ignores: Sequence[str] = (),
    ) -> None:
        """Register the rules of one operator.

        Args:
            op_type: Operator of the standard ONNX domain.
            inputs: One rule for each input, in order; inputs beyond have no derivative.
            each: One rule for all inputs, instead.
            ignores: Attributes that do not matter to the derivative.

        Raises:
            OperatorError: there is no such operator, it has rules already, or a rule is no function
                of operators and cotangent, or names an attribute that the operator does not have.
        """
        if not isinstance(op_type, str) or not defs.has(op_type):
            raise OperatorError(f"ONNX has no operator {shown(op_type)}")
        known = set(defs.get_schema(op_type).attributes)
        ignored = texts("ignores", ignores, "names of attributes")
        for name in ignored:
            if name not in known:
                raise OperatorError(
                    f"ignores names {name!r}, which is no attribute of {op_type}"
                    f"{nearest_or_listed(name, known, 'attribute', sorted(known))}"
                )
        if op_type in self:
            raise OperatorError(
                f"operator {op_type} has a gradient rule in this table already: define yours in a "
                "table of its own, and join them as in standard_rules() | mine"
            )
        rules = tuple(None if rule is None else _inspect(op_type, rule, known) for rule in inputs)
        every = None if each is None else _inspect(op_type, each, known)
        self._rules[op_type] = OperatorRules(rules, every, frozenset(ignored))

    def declare_constant(self, reason: str, *op_types: str, domain: str = "") -> None:
        """List operators of a domain that pass no gradient, with the reason.

        Raises:
            OperatorError: one has a rule already.
            InputError: an argument is no text.
        """
        text("reason", reason, "a sentence for people")
        if not isinstance(domain, str) or domain:
            text("domain", domain, "the name of a domain, such as 'com.microsoft'")
        for op_type in texts("op_types", op_types, "names of operators"):
            name = full_name(op_type, domain)
            if name in self:
                raise OperatorError(f"operator {name} has a gradient rule in this table already")
            self._constant[name] = reason

    def find(self, op_type: str, domain: str, node_name: str) -> OperatorRules | None:
        """Return the operator's rules; `None` where it has no derivative.

        Raises:
            OperatorError: the table does not know the operator.
        """
        full = full_name(op_type, domain)
        if full in self._rules:
            return self._rules[full]
        if full in self._constant:
            return None
        standard = domain in ("", "ai.onnx")
        remedy = ", or define its rule in onnxscope.standard_rules() and pass rules" * standard
        raise OperatorError(
            f"no gradient rule for operator {full} (node {node_name!r}); "
            f"choose a layer before it{remedy}"
        )


def full_name(op_type: str, domain: str) -> str:
    """Return the name of an operator, with its domain where that is not the standard one."""
    return op_type if domain in ("", "ai.onnx") else f"{domain}::{op_type}"


def call(
    rules: OperatorRules,
    rule: InputRule,
    *,
    schema: defs.OpSchema,
    node_name: str,
    set_attributes: AttributeValues,
    inputs: Sequence[Tensor | None],
    outputs: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    index: int,
    table: RuleTable,
    wanted: Container[ir.Value],
) -> Tensor | None:
    """Apply one rule to one node.

    Raises:
        OperatorError: the node sets an attribute that the rule does not handle, or passes gradient
            through an output that the rule does not look at.
    """
    unhandled = sorted(set(set_attributes) - rule.attributes - rules.ignores)
    if unhandled:
        raise OperatorError(
            f"the gradient rule of {schema.name} does not handle attribute "
            f"{unhandled[0]!r} (node {node_name!r})"
        )
    if "dys" not in rule.context and any(dy is not None for dy in cotangents[1:]):
        raise OperatorError(
            f"the gradient rule of {schema.name} handles its first output only, and another one "
            f"of node {node_name!r} is used"
        )
    keywords: dict[str, object] = {
        name: set_attributes[name] if name in set_attributes else _default(schema, name)
        for name in rule.attributes
    }
    context = {
        "y": outputs[0],
        "ys": outputs,
        "dys": cotangents,
        "index": index,
        "table": table,
        "wanted": wanted,
    }
    keywords |= {name: context[name] for name in rule.context}
    given: list[Tensor | None] = list(inputs)
    if rule.arity is not None:
        given = (given + [None] * rule.arity)[: rule.arity]
    return rule.function(outputs[0].op, cotangents[0], *given, **keywords)


def _inspect(op_type: str, rule: Rule, known: set[str]) -> InputRule:
    try:
        parameters = list(inspect.signature(rule).parameters.values())
    except (TypeError, ValueError):  # no function, or one that does not say what it takes
        parameters = []
    leading = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    if len(leading) < 2 and not any(p.kind is p.VAR_POSITIONAL for p in leading):
        raise OperatorError(
            f"a rule of {op_type} must be a function of operators, cotangent and inputs, such as "
            f"f(op, dy, x), not {shown(rule)}"
        )
    parameters = parameters[2:]
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    takes_all = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    attributes = keywords - _CONTEXT
    if attributes - known:
        name = min(attributes - known)
        raise OperatorError(
            f"a rule of {op_type} asks for {name!r}, which is no attribute of the operator"
            f"{nearest_or_listed(name, known, 'attribute', sorted(known))}"
        )
    return InputRule(
        rule,
        None if takes_all else len(positional),
        frozenset(attributes),
        frozenset(keywords & _CONTEXT),
    )


def _default(schema: defs.OpSchema, name: str) -> object:
    attribute = schema.attributes.get(name)
    if attribute is None or not attribute.default_value.name:
        return None
    value = helper.get_attribute_value(attribute.default_value)
    return value.decode() if isinstance(value, bytes) else value
