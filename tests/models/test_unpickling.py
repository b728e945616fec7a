"""Pickles are data here: whatever they ask for, nothing is called but the given table."""

from __future__ import annotations

import builtins
import copyreg
import io
import os
import pickle
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
from onnxscope.errors import ModelError
from onnxscope.models.numpy_pickle import read_numpy_pickle
from onnxscope.models.unpickling import load_pickle

TABLE = {"collections.OrderedDict": lambda *args: {"made": args}}


def _load(data: bytes) -> object:
    return load_pickle(io.BytesIO(data), "file", TABLE)


class _Hostile:
    def __init__(self, function: object, *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self._call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_of_every_protocol(protocol: int) -> None:
    tree = {
        "a": [1, -5, 2**80, 300, 70000, 2.5, None, True, False],
        "b": ("text", "ü€", (), (1,), (1, 2), (1, 2, 3, 4)),
        "c": {"d": {}, 3: []},
    }
    tree["again"] = tree["a"]
    assert _load(pickle.dumps(tree, protocol)) == tree


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (_Hostile(os.system, "exit 1"), "system"),
        (_Hostile(builtins.eval, "1/0"), r"eval"),
        (_Hostile(builtins.exec, "raise SystemExit"), r"exec"),
        (_Hostile(builtins.getattr, "", "upper"), r"getattr"),
        (_Hostile(subprocess.Popen, ["false"]), "Popen"),
        (_Hostile(sys.exit, 3), r"sys\.exit"),
        (_Hostile(np.memmap, "/etc/hosts"), r"memmap"),
        (OrderedDict.fromkeys, "getattr|fromkeys"),  # a nested name under an allowed one
    ],
)
def test_calls_are_refused_by_name(protocol: int, call: object, name: str) -> None:
    with pytest.raises(ModelError, match=name):
        _load(pickle.dumps([call], protocol))


@pytest.mark.parametrize(
    ("opcodes", "message"),
    [
        (b"(S'exit 1'\nios\nsystem\n.", r"wants to call os\.system"),
        (b"(cos\nsystem\nS'exit 1'\no.", r"os\.system"),
        (b"(ccollections\nOrderedDict\no.", "operation OBJ"),
        (b"ccollections\nOrderedDict\n)\x81.", "operation NEWOBJ"),
        (b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.", "OrderedDict.__init__"),
        (b"\x80\x04K\x01\x8c\x0bOrderedDict\x93.", "not a string"),
        (b"ccollections\nOrderedDict\nN\x85R(S'__class__'\nNub.", "damaged"),
        (b"ccollections\n__builtins__\n.", "__builtins__"),
        (b"c__main__\nx\n.", "__main__"),
        (b"cposix\nsystem\n.", r"posix\.system"),
        (b"\x80\x02}K\x01\x85R.", "wants to call a dict"),
        (b"\x80\x02X\x04\x00\x00\x00evalK\x01\x85R.", "wants to call a str"),
        (b"ccollections\nOrderedDict\nK\x01R.", "without a tuple"),
        (b"Pid\n.", "operation PERSID"),
        (b"K\x01Q.", "data outside"),
        (b"\x82\x01.", "operation EXT1"),
        (b"\x80\x05\x97.", "operation NEXT_BUFFER"),
        (b"\x80\x04\x8f.", "operation EMPTY_SET"),
    ],
)
def test_every_other_trick_is_refused(opcodes: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        _load(opcodes)


def test_extension_codes_are_refused_even_when_registered() -> None:
    copyreg.add_extension("os", "system", 0xF0)
    try:
        with pytest.raises(ModelError, match="EXT1"):
            _load(b"\x82\xf0(S'exit 1'\ntR.")
    finally:
        copyreg.remove_extension("os", "system", 0xF0)


@pytest.mark.parametrize(
    "opcodes",
    [
        b"",
        b".",
        b"0.",
        b"2.",
        b"K\x01K\x02.",
        b"(K\x01.",
        b"t.",
        b"a.",
        b"(K\x01u.",
        b"}(K\x01u.",
        b"}K\x01a.",
        b"]K\x01K\x02s.",
        b"}]K\x01s.",
        b"h\x05.",
        b"q\x00.",
        b"K\x01",
        b"\x85.",
        b"\xff.",
        b"N]b.",
        b"I12x\n.",
        b"X\xff\xff\xff\x7fab.",
        b"\x8e" + b"\xff" * 7 + b"\x7f.",
        b"\x8b\xff\xff\xff\x7f.",
        b"cos",
        b"\xc3(",
    ],
)
def test_damaged_pickles(opcodes: bytes) -> None:
    with pytest.raises(ModelError, match=r"damaged|truncated"):
        _load(opcodes)


def test_a_memo_numbered_wildly_costs_nothing() -> None:
    assert _load(b"K\x07r\xff\xff\xff\x7f0j\xff\xff\xff\x7f.") == 7


@pytest.mark.slow  # 200,000 tuples in each other
def test_nesting_without_end_does_not_overflow() -> None:
    deep = b"\x80\x02)" + b"\x85" * 200_000
    assert isinstance(_load(deep + b"."), tuple)
    with pytest.raises(ModelError, match="a tuple as a key"):
        _load(b"\x80\x02}" + deep[2:] + b"Ns.")


@pytest.mark.parametrize("protocol", [3, 4])
def test_numpy_arrays(protocol: int) -> None:
    arrays = {
        "conv": [np.arange(12, dtype=np.float32).reshape(2, 3, 2), np.array([1, 2], np.float16)],
        "fc": [np.arange(6, dtype=">f8").reshape(2, 3)],
        "mean": np.array(3, np.int64),
    }
    read = read_numpy_pickle(pickle.dumps(arrays, protocol), "file")
    assert list(read) == ["conv/0", "conv/1", "fc/0", "mean"]
    np.testing.assert_array_equal(read["conv/0"], arrays["conv"][0])
    np.testing.assert_array_equal(read["conv/1"], arrays["conv"][1])
    np.testing.assert_array_equal(read["fc/0"], arrays["fc"][0])
    assert read["fc/0"].dtype == np.float64
    assert read["mean"].shape == ()
    assert all(array.dtype.isnative for array in read.values())


def test_numpy_arrays_in_columns() -> None:
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    np.testing.assert_array_equal(
        read_numpy_pickle(pickle.dumps({"a": array}, 3), "file")["a"], array
    )


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": np.array([object()])}, "plain number|builtins.object"),
        ({"a": np.array(["text"])}, "plain number"),
        ({"a": np.zeros(2, [("x", "f4")])}, "plain number|damaged|dtype"),
        ({"a": np.float32(3)}, r"multiarray\.scalar"),
        ({"a": 3}, "something other than arrays"),
        ({3: np.zeros(2)}, "something other than arrays"),
        ([np.zeros(2)], "no mapping"),
        ({}, "no arrays"),
        ({"a": np.random.default_rng(0)}, r"numpy\.random"),
    ],
)
def test_other_things_than_plain_arrays(tree: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_numpy_pickle(pickle.dumps(tree, 3), "file")


def test_arrays_whose_shape_lies() -> None:
    data = pickle.dumps({"a": np.arange(6, dtype=np.float32).reshape(2, 3)}, 3)
    shape = b"K\x02K\x03\x86"
    assert data.count(shape) == 1
    for wrong in (b"K\x02K\x04\x86", b"K\x02J\xff\xff\xff\xff\x86", b"K\x02\x8a\x09" + b"\x01" * 9):
        with pytest.raises(ModelError, match=r"bytes instead of|not a size|shape|damaged"):
            read_numpy_pickle(data.replace(shape, wrong), "file")
    # The placeholder under reconstruction is no array before its state comes.
    bare = b"\x80\x03}X\x01\x00\x00\x00acnumpy.core.multiarray\n_reconstruct\n"
    bare += b"cnumpy\nndarray\nK\x00\x85C\x01b\x87Rs."
    with pytest.raises(ModelError, match="something other than arrays"):
        read_numpy_pickle(bare, "file")
    other = bare.replace(b"cnumpy\nndarray\n", b"cnumpy\ndtype\n")
    with pytest.raises(ModelError, match="other than an array"):
        read_numpy_pickle(other, "file")
