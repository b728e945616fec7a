"""Several processes fill one project: everything is there once, whoever dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.store.cluster import fill_on
from onnxscope.store.filling import fill
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project


@pytest.fixture(autouse=True)
def _distributed() -> None:
    # Not above: its import takes a third of a second, of each process that collects tests.
    pytest.importorskip("distributed", reason="pip install 'onnxscope[cluster]'")


@pytest.fixture
def plan(squeezenet: osc.Model):
    return make_plan(
        squeezenet,
        ["fire3", "fire4"],
        units="0:10",
        kinds=["channel"],
        size=48,
        steps=2,
        settings={"provider": "cpu"},
    )


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(squeezenet: osc.Model, plan, tmp_path):
    alone = tmp_path / "alone"
    fill(plan, Project.create(alone, squeezenet))
    project = Project.create(tmp_path / "shared", squeezenet)
    killed = []

    def done(wanted, answer):
        from distributed import get_client

        if not killed:
            workers = get_client().run(os.getpid)
            killed.append(next(iter(workers.values())))
            os.kill(killed[0], signal.SIGTERM if os.name == "nt" else signal.SIGKILL)

    filling = fill_on("local:2", plan, project, done=done)
    assert killed
    assert (filling.made, filling.left, filling.failed) == (20, 0, [])
    assert files(tmp_path / "shared") == files(alone)
    again = fill_on("local:1", plan, project)
    assert (again.made, again.there) == (0, 20)


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [("local:0", "local:1 to"), ("tcp://127.0.0.1:1", "dask scheduler"), ("nowhere", "scheduler")],
)
def test_schedulers_that_are_not_there(
    squeezenet: osc.Model, plan, tmp_path, monkeypatch, scheduler, words
):
    monkeypatch.setattr("onnxscope.store.cluster._SECONDS_TO_CONNECT", 1)
    with pytest.raises(InputError, match=words):
        fill_on(scheduler, plan, Project.create(tmp_path / "p", squeezenet))
