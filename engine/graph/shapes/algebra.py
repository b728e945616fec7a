"""Arithmetic on symbolic sizes: `N`, `2*H + 1`, `floor((H - 1)/2)`.

A size is a polynomial in named unknowns with whole coefficients, in one normal form, so that two
sizes that are computed the same way have the same name. What is no polynomial, such as a rounded
quotient, becomes an unknown with a descriptive name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

Dim = int | str
"""A size as a graph stores it: a number or the name of an unknown or an expression."""

_Monomial = tuple[str, ...]


class Sizes:
    """Names of sizes and what they stand for; every size is at least zero."""

    def __init__(self) -> None:
        self._meaning: dict[str, dict[_Monomial, int]] = {}

    def add(self, a: Dim, b: Dim) -> Dim:
        """Return the sum a + b."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        return self._named(_sum(self._terms(a), self._terms(b)))

    def subtract(self, a: Dim, b: Dim) -> Dim:
        """Return the difference a − b."""
        return self.add(a, self.multiply(b, -1))

    def multiply(self, a: Dim, b: Dim) -> Dim:
        """Return the product a · b."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        product: dict[_Monomial, int] = {}
        for left, m in self._terms(a).items():
            for right, n in self._terms(b).items():
                product = _sum(product, {tuple(sorted(left + right)): m * n})
        return self._named(product)

    def product(self, dims: list[Dim] | tuple[Dim, ...]) -> Dim:
        """Return the product of all."""
        result: Dim = 1
        for dim in dims:
            result = self.multiply(result, dim)
        return result

    def floor_divide(self, a: Dim, b: Dim) -> Dim:
        """Return ⌊a / b⌋, exactly where the terms show it."""
        if b == 1 or a == 0:
            return a
        if isinstance(a, int) and isinstance(b, int) and b:
            return a // b
        if a == b:
            return 1
        terms, divisor = self._terms(a), self._terms(b)
        if len(divisor) == 1:
            ((monomial, factor),) = divisor.items()
            whole: dict[_Monomial, int] = {}
            rest: dict[_Monomial, int] = {}
            for term, n in terms.items():
                left = _without(term, monomial)
                if left is None or n % factor:
                    rest[term] = n
                else:
                    whole[left] = n // factor
            if not rest:
                return self._named(whole)
            if not monomial and factor > 0:
                # ⌊(f·w + r)/f⌋ = w + ⌊r/f⌋ for whole w.
                constant = rest.get((), 0)
                shift, remainder = divmod(constant, factor)
                rest = _sum(rest, {(): remainder - constant})
                whole = _sum(whole, {(): shift})
                inner: dict[_Monomial, int] = {}
                if set(rest) - {()}:
                    inner[f"floor(({_written(rest)})/{factor})",] = 1
                return self._named(_sum(whole, inner))
        return self.unknown(f"floor(({a})/({b}))")

    def larger(self, a: Dim, b: Dim) -> Dim:
        """Return the larger of two."""
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        return a if a == b else self.unknown(f"max({a}, {b})")

    def smaller(self, a: Dim, b: Dim) -> Dim:
        """Return the smaller of two."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return a if a == b else self.unknown(f"min({a}, {b})")

    def unknown(self, description: str) -> str:
        """Return a size that is only known by what it is called; the same name, the same size."""
        return description

    def _terms(self, dim: Dim) -> Mapping[_Monomial, int]:
        if isinstance(dim, int):
            return {(): dim} if dim else {}
        return self._meaning.get(dim, {(dim,): 1})

    def _named(self, terms: Mapping[_Monomial, int]) -> Dim:
        terms = {monomial: n for monomial, n in terms.items() if n}
        if not set(terms) - {()}:
            return terms.get((), 0)
        name = _written(terms)
        self._meaning[name] = terms
        return name


def _sum(a: Mapping[_Monomial, int], b: Mapping[_Monomial, int]) -> dict[_Monomial, int]:
    result = dict(a)
    for monomial, n in b.items():
        result[monomial] = result.get(monomial, 0) + n
    return {monomial: n for monomial, n in result.items() if n}


def _without(monomial: _Monomial, divisor: _Monomial) -> _Monomial | None:
    """The monomial divided by another, `None` where it does not hold it."""
    left = list(monomial)
    for name in divisor:
        if name not in left:
            return None
        left.remove(name)
    return tuple(left)


def _written(terms: Mapping[_Monomial, int]) -> str:
    parts: list[str] = []
    for monomial, n in sorted(terms.items(), key=lambda item: (-len(item[0]), item[0])):
        factors = [name if name.isidentifier() else _bracketed(name) for name in monomial]
        if abs(n) != 1 or not factors:
            factors.insert(0, str(abs(n)))
        sign = ("- " if n < 0 else "+ ") if parts else ("-" if n < 0 else "")
        parts.append(sign + "*".join(factors))
    return " ".join(parts)


def _bracketed(name: str) -> str:
    return f"({name})" if any(mark in name for mark in " *") and not name.endswith(")") else name


def is_number(dims: list[Dim] | tuple[Dim, ...]) -> bool:
    """Return whether all sizes are numbers."""
    return all(isinstance(dim, int) for dim in dims)


def count(dims: list[Dim] | tuple[Dim, ...]) -> int | None:
    """Return the number of elements of a shape, `None` where that is not a number."""
    return math.prod(dim for dim in dims if isinstance(dim, int)) if is_number(dims) else None
