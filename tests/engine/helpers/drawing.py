"""Random numbers of tests: each test has its own, whichever tests there are beside it."""

from __future__ import annotations

import zlib

import numpy as np

_GENERATORS: list[np.random.Generator] = []


def generator(seed: int) -> np.random.Generator:
    """A module's generator: it starts at the seed while tests are collected, then anew for each."""
    rng = np.random.default_rng(seed)
    _GENERATORS.append(rng)
    return rng


def start_anew(name: str) -> None:
    """Start all generators where a test's name says."""
    state = np.random.default_rng(zlib.crc32(name.encode())).bit_generator.state
    for rng in _GENERATORS:
        rng.bit_generator.state = state
