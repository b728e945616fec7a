"""The store of finished graphs: what is put in comes out, whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnxscope.cache import GraphCache

KEY, OTHER = "a" * 64, "b" * 64


def test_what_is_put_in_comes_out(tmp_path: Path) -> None:
    store = GraphCache(tmp_path / "new" / "graphs")
    weights = [
        os.urandom(50_000),
        os.urandom(20_000),
        b"small",
        weights_twice := os.urandom(30_000),
    ]
    data = b"head" + weights[0] + b"between" + weights[1] + weights[2] + weights_twice + b"end"
    assert store.get(KEY) is None
    store.put(KEY, data, weights)
    store.put(OTHER, b"other" + data, weights)
    assert store.get(KEY) == data
    assert store.get(OTHER) == b"other" + data
    # The large parts are stored once.
    assert len(list(store.folder.glob("*.part"))) == 3
    assert store.size() < len(data) + 2_000
    # Parts that are not where they are said to be are stored within.
    store.put(KEY, data, [weights[1], weights[0], os.urandom(90_000)])
    assert store.get(KEY) == data
    store.clear()
    assert store.get(KEY) is None
    assert store.size() == 0


@pytest.mark.parametrize("kind", ["graph", "part"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data + b"more",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:33] + b"\xff" * 7 + data[40:],
    ],
)
def test_damage_is_noticed_and_mended(
    tmp_path: Path, kind: str, damage: Callable[[bytes], bytes]
) -> None:
    store = GraphCache(tmp_path)
    part = os.urandom(40_000)
    store.put(KEY, b"head" + part, [part])
    (file,) = tmp_path.glob(f"*.{kind}")
    file.write_bytes(damage(file.read_bytes()))
    assert store.get(KEY) is None
    store.put(KEY, b"head" + part, [part])
    assert store.get(KEY) == b"head" + part


def test_an_entry_under_another_name_is_not_taken(tmp_path: Path) -> None:
    store = GraphCache(tmp_path)
    store.put(KEY, b"data")
    (tmp_path / f"{KEY}.graph").rename(tmp_path / f"{OTHER}.graph")
    assert store.get(OTHER) is None


def test_what_was_used_least_recently_goes(tmp_path: Path) -> None:
    store = GraphCache(tmp_path, limit=100_000)
    keys = [f"{number:064x}" for number in range(5)]
    for age, key in enumerate(keys[:4]):
        store.put(key, os.urandom(24_000))
        os.utime(tmp_path / f"{key}.graph", (1000 + age, 1000 + age))
    assert store.get(keys[0]) is not None  # used just now
    store.put(keys[4], os.urandom(24_000))
    assert [store.get(key) is not None for key in keys] == [True, False, True, True, True]
    store.put(KEY, os.urandom(100_001))
    assert store.get(KEY) is None  # larger than the cache: nothing else has to go for it
    assert store.get(keys[4]) is not None


def test_a_full_disk_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = GraphCache(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", full)
    store.put(KEY, b"data")
    assert store.get(KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_many_write_and_read_at_once(tmp_path: Path) -> None:
    part = os.urandom(200_000)
    wanted = {f"{number:064x}": b"%d" % number + part for number in range(6)}
    wrong = []

    def work(seed: int) -> None:
        store = GraphCache(tmp_path, limit=700_000)
        order = np.random.default_rng(seed)
        for _ in range(60):
            key = str(order.choice(list(wanted)))
            if order.random() < 0.2:
                store.put(key, wanted[key], [part])
            if order.random() < 0.05:
                store.clear()
            found = store.get(key)
            if found not in (None, wanted[key]):
                wrong.append(key)

    workers = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    store = GraphCache(tmp_path)
    for key, data in wanted.items():
        store.put(key, data, [part])
    assert all(store.get(key) == data for key, data in wanted.items())
    assert not list(tmp_path.glob(".*"))  # nothing half written is left
