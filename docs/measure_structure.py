"""Measure the structure of the library from its imports: modules, floors, arrows, circles.

    python docs/measure_structure.py [CHECKOUT]

An arrow leads from a module to one that it imports, at whatever time; imports for types alone do
not count. A module stands one floor above the highest that it imports; those of a circle, which
need each other, stand on one floor. A room is a folder.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

PLACES = {"engine": (), "models": ("models",), "cli": ("cli",), "benchmarks": ("benchmarks",)}


def main() -> None:
    """Print the figures of a checkout, this one by default."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    modules = dict(_modules(root))
    arrows = {name: set(_imported(name, file, modules)) - {name} for name, file in modules.items()}
    circles = [group for group in _components(arrows) if len(group) > 1]
    beside = max(_beside(modules).values())
    print(f"{len(modules)} modules in {len(_beside(modules))} rooms, at most {beside} side by side")
    print(f"{sum(map(len, arrows.values()))} arrows, {max(_floors(arrows).values())} floors")
    for group in circles:
        print(f"a circle of {len(group)}: {', '.join(sorted(group)[:6])}, …")
    if not circles:
        print("no circle")


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    for place, parts in PLACES.items():
        for file in sorted((root / place).rglob("*.py")):
            path = file.relative_to(root / place).with_suffix("").parts
            if path == ("__main__",) or "architectures" in path[:1]:
                continue
            yield ".".join((*parts, *path)), file


def _imported(name: str, file: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    """The modules that one imports, inside functions as well."""
    folder = name.split(".")[:-1]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in _running(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = folder[: len(folder) - (node.level - 1)] + (node.module or "").split(".")
        start = ".".join(filter(None, base))
        for alias in node.names:
            inside = f"{start}.{alias.name}" if start else alias.name
            for found in (inside, start, f"{start}.__init__" if start else "__init__"):
                if found in modules:
                    yield found
                    break


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _running(child)


def _beside(modules: Mapping[str, Path]) -> dict[Path, int]:
    counts: dict[Path, int] = {}
    for file in modules.values():
        if file.name != "__init__.py":
            counts[file.parent] = counts.get(file.parent, 0) + 1
    return counts


def _components(arrows: Mapping[str, set[str]]) -> list[set[str]]:
    """Modules that reach each other, those that are imported first (Tarjan 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in sorted(arrows[name]):
            if other not in order:
                visit(other)
            if other in stack:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == order[name]:
            position = stack.index(name)
            found.append(set(stack[position:]))
            del stack[position:]

    for name in arrows:
        if name not in order:
            visit(name)
    return found


def _floors(arrows: Mapping[str, set[str]]) -> dict[str, int]:
    floors: dict[str, int] = {}
    for group in _components(arrows):
        below = {other for name in group for other in arrows[name]} - group
        floors.update(dict.fromkeys(group, 1 + max((floors[name] for name in below), default=0)))
    return floors


if __name__ == "__main__":
    main()
