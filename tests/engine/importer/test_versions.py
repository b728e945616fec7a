"""Every version of every standard operator, and every attribute of it, means here what it means to
ONNX Runtime, in files that are written in that version; what neither that nor the onnx package's
evaluator runs is listed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from version_cases import NEWEST, schemas
from version_checks import Found, outcomes_of

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Listed:
    """What is not compared, and why.

    Attributes:
        reason: In words.
        ops: Operators, with a blank between.
        attributes: Those that it is about, with "-" for the versions themselves; all of them where
            it is empty.
        since: First version.
        until: Last version.
    """

    reason: str
    ops: str
    attributes: str = ""
    since: int = 1
    until: int = NEWEST

    def covers(self, op: str, version: int, attribute: str) -> bool:
        return (
            op in self.ops.split()
            and self.since <= version <= self.until
            and (not self.attributes or (attribute or "-") in self.attributes.split())
        )


NOBODY = "nobody runs that version"
LISTED = (
    Listed("in-place computation, of which runtimes make nothing", " ".join(schemas()),
           "consumed_inputs"),
    Listed(NOBODY, "Add Div Mul Pow Sub And Equal Greater Less Or Xor", "axis", until=6),
    Listed("the reference counts the padding", "AveragePool", until=1),
    Listed(NOBODY, "Pow", "broadcast", until=1),
    Listed(NOBODY, "BatchNormalization", "- is_test spatial epsilon momentum", until=1),
    Listed(NOBODY, "BatchNormalization", "spatial epsilon momentum", until=6),
    Listed("random", "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform "
           "RandomUniformLike"),
    Listed("about numbers of 8 bits, which have no gradient", "Cast CastLike QuantizeLinear",
           "saturate round_mode", since=19),
    Listed(NOBODY, "Cast Clip", until=1),
    Listed(NOBODY, "Dropout", until=6),
    Listed("sequences: tests/engine/expansions/test_sequences.py", "ConcatFromSequence Optional "
           "SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength "
           "SequenceMap SplitToSequence"),
    Listed("no evaluator takes it in a node alone: test_leniency.py has sparse weights", "Constant",
           "sparse_value", since=11),
    Listed("what goes into a Conv as it is", "ConvInteger QLinearConv",
           "auto_pad dilations group kernel_shape pads strides"),
    Listed(NOBODY, "GRU LSTM RNN", "output_sequence", until=6),
    Listed("the reference passes over it", "GRU LSTM",
           "clip activations activation_alpha activation_beta input_forget", until=6),
    Listed(NOBODY, "RNN", until=1),
    Listed(NOBODY, "Gemm", until=1),
    Listed("the reference forgets the factor", "Gemm", "beta", since=6, until=6),
    Listed(NOBODY, "GlobalLpPool", until=1),
    Listed(NOBODY, "GlobalLpPool MaxRoiPool", since=22),
    Listed("nobody runs its body", "GroupNormalization", since=18, until=18),
    Listed("reads files", "ImageDecoder"),
    Listed(NOBODY, "Loop", until=1),
    Listed(NOBODY, "Scatter", since=11),
    Listed(NOBODY, "Split", until=1),
    Listed("depends on the machine's languages", "StringNormalizer"),
    Listed("strings", "TfIdfVectorizer", "pool_strings"),
    Listed(NOBODY, "Tile", until=1),
    Listed(NOBODY, "Upsample", until=1),
    Listed("no such version: Resize took its place", "Upsample", since=10),
)  # fmt: skip


def compared() -> Iterator[tuple[str, int, str, Found]]:
    for op in schemas():
        for (version, attribute), found in outcomes_of(op).items():
            yield op, version, attribute, found


@pytest.mark.parametrize("op", schemas())
def test_each_version_and_attribute_means_what_it_means_to_the_runtime(op):
    open_ones = {
        f"{op} {version} {attribute or '-'}": f"{found.kind}: {found.reason}"
        for (version, attribute), found in outcomes_of(op).items()
        if found.kind != "equal"
        and (
            found.kind == "wrong" or not any(line.covers(op, version, attribute) for line in LISTED)
        )
    }
    assert not open_ones


def test_nothing_is_listed_that_could_be_compared():
    for line in LISTED[1:]:
        covered = [
            found for op, version, name, found in compared() if line.covers(op, version, name)
        ]
        assert any(found.kind != "equal" for found in covered), line
