"""Cases of matrix products, Einsum and determinants."""

from __future__ import annotations

import numpy as np
from rule_cases import case, normal

for a, b in (
    [(2, 5, 3), (3, 4)],
    [(2, 1, 5, 3), (3, 4)],
    [(1, 3), (3, 1)],
    [(2, 3), (3,)],
    [(4, 2, 3), (4, 3, 5)],
    [(2, 4, 2, 3), (4, 3, 5)],
):
    for dtypes in "d", "f":
        case("MatMul", f"more {a} and {b}", normal(*a), normal(*b), dtypes=dtypes)

# Einsum -----------------------------------------------------------------------------------------


def _einsum(inputs, cotangent, *, equation):
    """By the definition: the derivative with respect to each element in turn."""
    gradients = []
    for position, x in enumerate(inputs):
        dx = np.zeros(x.shape)
        for index in np.ndindex(*x.shape):
            unit = np.zeros(x.shape)
            unit[index] = 1
            operands = [unit if i == position else other for i, other in enumerate(inputs)]
            dx[index] = (np.einsum(equation, *operands) * cotangent).sum()
        gradients.append(dx)
    return gradients


for equation, *shapes in (
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 4)),
    ("bhid,bhjd->bhij", (2, 1, 3, 2), (2, 1, 4, 2)),
    ("ij->ji", (2, 3)),
    ("ij->i", (2, 3)),
    ("ij->", (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)),
    ("i,i->i", (3,), (3,)),
    # Repeated letters
    ("ii->i", (3, 3)),
    ("ii->", (3, 3)),
    ("iij->j", (3, 3, 2)),
    ("iji,i->j", (3, 2, 3), (3,)),
    ("iii->i", (2, 2, 2)),
    ("iijj->ij", (2, 2, 3, 3)),
    # Sums over letters that nothing else has
    ("ij,k->k", (2, 3), (4,)),
    ("ij,jk->k", (2, 3), (3, 4)),
    ("abc,b->a", (2, 3, 2), (3,)),
    # The result left to the rule: letters that occur once, in alphabetical order
    ("ij,jk", (2, 3), (3, 4)),
    ("ba", (2, 3)),
    ("ii", (3, 3)),
    ("bca,a", (2, 3, 4), (4,)),
    # Ellipses
    ("...ij,...jk->...ik", (2, 2, 3), (2, 3, 4)),
    ("...ij,jk->...ik", (2, 5, 2, 3), (3, 4)),
    ("...i->...", (2, 3)),
    ("...ii->...i", (2, 3, 3)),
    ("i...->...", (2, 3, 2)),
    ("...i,...i", (2, 3), (2, 3)),
    ("...ij,...jk->...ik", (1, 2, 3), (4, 3, 2)),
    ("i...j,j...->...i", (2, 4, 3), (3, 4)),
    # Products of matrices, in any order of axes
    ("bihd,bjhd->bhij", (2, 3, 2, 4), (2, 5, 2, 4)),
    ("bhij,bjhd->bihd", (2, 2, 3, 5), (2, 5, 2, 4)),
    ("abcd,cdef->abef", (2, 3, 2, 2), (2, 2, 3, 2)),
    ("abcd,cdef->efba", (2, 3, 2, 2), (2, 2, 3, 2)),
    ("nkctv,kvw->nctw", (1, 2, 3, 2, 4), (2, 4, 4)),
    ("b...d,...dc->cb...", (2, 3, 4), (3, 4, 2)),
    # Others
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("ij,j,j->i", (2, 3), (3,), (3,)),
    (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("Ab,bZ->ZA", (2, 3), (3, 4)),
    ("i->i", (3,)),
    (",i->i", (), (3,)),
):
    label = f"{equation} of {' and '.join(str(shape) for shape in shapes)}"
    case("Einsum", label, *(normal(*shape) for shape in shapes), equation=equation, exact=_einsum)
case("Einsum", "single precision", normal(2, 3), normal(3, 4), equation="ij,jk->ki",
     exact=_einsum, dtypes="f")  # fmt: skip

# Determinants -----------------------------------------------------------------------------------


def _det(inputs, cotangent):
    x = inputs[0].astype(np.float64)
    n = x.shape[-1]
    dx = np.zeros_like(x)
    for i, j in np.ndindex(n, n):
        minor = np.delete(np.delete(x, i, -2), j, -1)
        dx[..., i, j] = cotangent * (-1) ** (i + j) * np.linalg.det(minor)
    return [dx]


for shape in ((1, 1), (2, 2), (3, 3), (5, 5), (2, 3, 3), (2, 1, 4, 4), (3, 1, 1)):
    case("Det", f"{shape}", normal(*shape), exact=_det, dtypes="f")
    case("Det", f"{shape}", normal(*shape), exact=_det, runtime="reference")
_singular = np.outer([1.0, 2, 3], [1.0, -1, 2])
_singular[2, 2] = 1
_singular[1] = 2 * _singular[0]
case("Det", "singular", _singular, exact=_det, runtime="reference")
case("Det", "of rank one", np.ones((3, 3)), exact=_det, runtime="reference", finite=False)
