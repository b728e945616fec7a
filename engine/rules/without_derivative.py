"""Operators that pass no gradient, each with the reason.

Families of operators that have rules say so themselves where one of theirs has none.
"""

from __future__ import annotations

from ..graph.domains import ML
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """List the operators of this module in a table."""
    rules.declare_constant("piecewise constant", "Sign", "Floor", "Ceil", "Round")
    rules.declare_constant(
        "gives truth values",
        "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "And", "Or", "Xor",
        "IsNaN", "IsInf",
    )  # fmt: skip
    rules.declare_constant(
        "gives indices or shapes", "ArgMax", "ArgMin", "Shape", "Size", "NonZero"
    )
    rules.declare_constant(
        "depends on no differentiable value",
        "Constant", "ConstantOfShape", "EyeLike", "HannWindow", "HammingWindow", "BlackmanWindow",
    )  # fmt: skip
    # The ends of the bands are rounded to whole frequencies.
    rules.declare_constant("piecewise constant in its floating-point inputs", "MelWeightMatrix")
    rules.declare_constant(
        "works on the bits of integers",
        "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor",
    )  # fmt: skip
    rules.declare_constant("gives another meaning to the same bits", "BitCast")
    rules.declare_constant(
        "draws at random from what does not depend on its input",
        "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
    )  # fmt: skip
    rules.declare_constant("draws whole numbers at random", "Bernoulli", "Multinomial")
    rules.declare_constant(
        "works on text", "StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch"
    )
    rules.declare_constant("counts words", "TfIdfVectorizer")
    rules.declare_constant("reads a picture file", "ImageDecoder")
    rules.declare_constant("gives the indices of boxes", "NonMaxSuppression")
    # Traditional machine learning, as scikit-learn's models have it.
    rules.declare_constant(
        "a tree is constant between its thresholds",
        "TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor", domain=ML,
    )  # fmt: skip
    rules.declare_constant(
        "looks its input up among classes", "CategoryMapper", "LabelEncoder", "OneHotEncoder",
        domain=ML,
    )  # fmt: skip
    rules.declare_constant(
        "gives maps from classes to numbers; the numbers that it reads have a gradient",
        "ZipMap", domain=ML,
    )  # fmt: skip
