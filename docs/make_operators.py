"""Write docs/operators.md: what becomes of every operator of the ONNX standard in a gradient.

With `--suite` also what became of the onnx package's node tests, which takes minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import onnx
import onnxscope as osc
from onnx import defs
from onnxscope.expansions import experimental
from onnxscope.expansions.contrib.refused import REASONS
from onnxscope.expansions.ml.refused import REASONS as ML_REASONS
from onnxscope.expansions.registry import all_expansions
from onnxscope.graph.domains import ML
from onnxscope.rules.table import full_name

PAGE = Path(__file__).parent / "operators.md"
HELPERS = Path(__file__).parents[1] / "tests" / "engine" / "helpers"
SUITE_HEADING = "## The node tests of the onnx package"
VERSIONS_HEADING = "## Every version"

# Operators of old files, which are converted upwards when they are read.
_REPLACED = {"Scatter": "ScatterElements", "Upsample": "Resize"}

_NOTES = {
    "If": "where the condition is a constant or follows from known shapes; else refused",
    "Loop": "where the number of rounds is known; else refused",
    "Scan": "where the length is known; else refused",
    "LSTM": "unrolled; the length must be known",
    "GRU": "unrolled; the length must be known",
    "RNN": "unrolled; the length must be known",
    "Cast": "to float8 straight through, with a warning",
    "CastLike": "to float8 straight through, with a warning",
    "QuantizeLinear": "straight through, with a warning",
    "DequantizeLinear": "straight through",
    "DynamicQuantizeLinear": "straight through, with a warning; the scale counts as constant",
    "QLinearConv": "straight through, with a warning",
    "QLinearMatMul": "straight through, with a warning",
    "ConvInteger": "as sums of real numbers",
    "MatMulInteger": "as sums of real numbers",
}

INTRODUCTION = """# Operators

What becomes of each operator of the ONNX standard when a graph is differentiated. This page is made
by `python docs/make_operators.py --suite --versions`.

* **rule**: there is a gradient rule for it, tested against central differences and a second oracle;
* **written as others**: it is replaced by standard operators that have rules;
* **no derivative**: its derivative is zero wherever there is one, or it gives no real numbers;
* **refused**: with the reason, in words, when a gradient has to pass it.
"""


def operator_table() -> str:
    """The page without the section on the node tests."""
    rules, expansions = osc.standard_rules(), all_expansions()
    rows = []
    for name, since in sorted(_operators().items()):
        kind, note = _fate(name, rules, expansions)
        rows.append((name, str(since), kind, note))
    counts = Counter(kind for _, _, kind, _ in rows)
    summary = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    lines = [
        INTRODUCTION,
        f"{len(rows)} operators of onnx {onnx.__version__}: {summary}.",
        "",
        "| operator | since opset | in a gradient | |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        "## Operators of ONNX Runtime (com.microsoft)",
        "",
        "| operator | in a gradient |",
        "|---|---|",
    ]
    for domain, name in sorted(expansions):
        if domain == "com.microsoft":
            kind = _kind_of(expansions[domain, name])
            if name in REASONS:
                kind = f"refused: {REASONS[name]}"
            lines.append(f"| {name} | {kind} |")
    dropped = sorted(name for _, name in experimental.EXPANSIONS)
    lines += [
        "",
        "## Operators that ONNX has dropped",
        "",
        "Files of opsets up to 9 may have them, and ONNX Runtime runs them still. All are written",
        f"as others: {', '.join(dropped)}.",
        "",
        "## Operators of traditional machine learning (ai.onnx.ml)",
        "",
        "As files from scikit-learn have them. An exported gradient has such operators only where",
        "an output of the model needs one.",
        "",
        "| operator | in a gradient | |",
        "|---|---|---|",
    ]
    for name in sorted({schema.name for schema in defs.get_all_schemas() if schema.domain == ML}):
        lines.append(f"| {' | '.join((name, *_fate_of_ml(name, rules, expansions)))} |")
    return "\n".join(lines) + "\n"


def _fate_of_ml(name, rules, expansions) -> tuple[str, str]:
    full = full_name(name, ML)
    if full in rules.without_derivative:
        return "no derivative", rules.without_derivative[full]
    if name in ML_REASONS:
        return "refused", ML_REASONS[name]
    return ("written as others", "") if (ML, name) in expansions else ("refused", "unknown")


def _operators() -> dict[str, int]:
    """Operators of the standard domain, with the opset that introduced them."""
    first: dict[str, int] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            name = schema.name
            first[name] = min(first.get(name, schema.since_version), schema.since_version)
    return first


def _fate(name, rules, expansions) -> tuple[str, str]:
    if name in rules.without_derivative:
        return "no derivative", rules.without_derivative[name]
    if name in set(rules):
        return "rule", _NOTES.get(name, "")
    if ("", name) in expansions:
        return _kind_of(expansions["", name]), _NOTES.get(name, "")
    if name in _REPLACED:
        return "written as others", f"deprecated: read as {_REPLACED[name]}"
    return "refused", "there is no rule"


def _kind_of(expansion) -> str:
    if expansion.__name__ == "_refuse_integers":
        return "refused: integers alone"
    return "written as others"


def versions_section() -> str:
    """Write whose values those of each version of an operator were compared with."""
    sys.path.insert(0, str(HELPERS))
    from version_cases import schemas
    from version_checks import outcomes_of

    lines = [
        VERSIONS_HEADING,
        "",
        "An operator may mean something else from one version to the next. Small models that are",
        "written in each of them are compared, with each attribute set, in their values and their",
        "gradients: with those of ONNX Runtime for the file as it is, or of the onnx package's",
        "evaluator where ONNX Runtime has no kernel. What neither runs, what is random, and what",
        "has no gradient is listed in `tests/engine/importer/test_versions.py`, with the reason.",
        "",
        "| operator | as ONNX Runtime | as the reference | not compared | of its attributes |",
        "|---|---|---|---|---|",
    ]
    for op, by_version in schemas().items():
        found = outcomes_of(op)
        of_versions = {v: found[v, ""] for v in by_version}
        columns = [
            [
                str(v)
                for v, f in of_versions.items()
                if f.kind == "equal" and f.by == "ONNX Runtime"
            ],
            [str(v) for v, f in of_versions.items() if f.kind == "equal" and f.by == "reference"],
            [str(v) for v, f in of_versions.items() if f.kind != "equal"],
            [
                f"{name} ({version})"
                for (version, name), f in sorted(found.items())
                if name and f.kind != "equal" and of_versions[version].kind == "equal"
            ],
        ]
        lines.append(f"| {op} | {' | '.join(', '.join(column) for column in columns)} |")
    return "\n".join(lines) + "\n"


def suite_section() -> str:
    """What became of each node test."""
    sys.path.insert(0, str(HELPERS))
    from node_suite import outcomes

    results = dict(outcomes())
    counts = Counter(outcome.kind for outcome in results.values())
    lines = [
        SUITE_HEADING,
        "",
        f"{len(results)} tests: "
        + ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
        + ".",
        "",
        "| test | | reason |",
        "|---|---|---|",
    ]
    for name, outcome in sorted(results.items()):
        if outcome.kind in ("wrong", "refused", "on a kink"):
            reason = " ".join(outcome.reason.split()).replace("|", "\\|")
            lines.append(f"| {name.removeprefix('test_')} | {outcome.kind} | {reason} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", action="store_true", help="run the node tests as well")
    parser.add_argument("--versions", action="store_true", help="run all versions as well")
    given = parser.parse_args()
    old = PAGE.read_text() if PAGE.exists() else ""
    versions = versions_section() if given.versions else _section(old, VERSIONS_HEADING)
    suite = suite_section() if given.suite else _section(old, SUITE_HEADING)
    PAGE.write_text("\n".join(part for part in (operator_table(), versions, suite) if part))


def _section(page: str, heading: str) -> str:
    """Return a section of the page as it is, without the empty line behind it."""
    if heading not in page:
        return ""
    start = page.index(heading)
    end = page.find("\n## ", start)
    return page[start:] if end < 0 else page[start:end]


if __name__ == "__main__":
    main()
