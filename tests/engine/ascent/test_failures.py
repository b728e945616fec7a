"""A provider that fails on the way: one clear sentence, and the last good picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.ascent import side_by_side
from onnxscope.ascent.compiled_climber import CompiledClimber
from onnxscope.errors import AscentError, InputError, ModelError
from onnxscope.runtime.bound_session import BoundSession
from onnxscope.runtime.session import Session

# One step leaks, in ascents of any length.
# Steps of one size: an ascent's first three are those of an ascent of three.
QUICK = {"size": 64, "steps": 6, "provider": "cpu", "leak_steps": 1, "optimizer": osc.Adam()}
OUT_OF_MEMORY = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv "
    "node. Name:'conv_1' Status Message: Failed to allocate memory for requested buffer of size 9"
)
Fail = Callable[[int, str], None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Makes ONNX Runtime raise at the nth run of a step."""

    class Broken:
        def __init__(self, message: str) -> None:
            self.message = message

        def get_inputs(self) -> list[object]:
            return []

        def get_outputs(self) -> list[object]:
            return []

        def run_with_iobinding(self, *_: object) -> None:
            raise RuntimeError(self.message)

    def at(step: int, message: str = OUT_OF_MEMORY) -> None:
        runs = []
        run = Session.run_bound

        def run_bound(self: Session, *arguments: object) -> None:
            runs.append(step)
            broken = Session(Broken(message), self.provider)
            run(broken if len(runs) == step else self, *arguments)

        monkeypatch.setattr(Session, "run_bound", run_bound)

    return at


@pytest.mark.slow
def test_the_last_good_picture_is_kept(squeezenet: osc.Model, fail: Fail) -> None:
    good = osc.render(squeezenet, "fire5:3", snapshots=(1, 3), **{**QUICK, "steps": 3})
    fail(4)
    with pytest.raises(AscentError) as caught:
        osc.render(squeezenet, "fire5:3", snapshots=(1, 3, 6), **QUICK)
    assert str(caught.value).startswith("step 4 failed: there is not enough memory")
    assert "\n" not in str(caught.value)
    picture = caught.value.picture
    np.testing.assert_array_equal(picture.images, good.images)
    np.testing.assert_array_equal(picture.values, good.values)
    assert picture.recipe == good.recipe
    assert sorted(picture.snapshots) == [1, 3]


@pytest.mark.slow
def test_so_are_those_of_all_cores(
    squeezenet: osc.Model, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "cores", lambda: 2)
    good = osc.render(squeezenet, "fire5:3", batch=2, **{**QUICK, "steps": 2})
    # Each core runs once in a step: one of the two fails in the third.
    fail(6)
    with pytest.raises(AscentError, match="step 3 failed") as caught:
        osc.render(squeezenet, "fire5:3", batch=2, **QUICK)
    np.testing.assert_array_equal(caught.value.picture.images, good.images)
    assert caught.value.picture.values.shape == (2, 2)


@pytest.mark.slow
def test_and_those_of_the_runs_before(squeezenet: osc.Model, fail: Fail) -> None:
    whole = osc.render(squeezenet, "fire5:3", batch=3, **QUICK)
    fail(6 + 6 + 2)
    with pytest.raises(AscentError, match="step 2 failed") as caught:
        osc.render(squeezenet, "fire5:3", batch=3, batch_size=1, **QUICK)
    np.testing.assert_array_equal(caught.value.picture.images, whole.images[:2])
    assert caught.value.picture.warnings[0] == "2 of 3 pictures were made"


def test_a_failure_at_once_is_an_error_alone(squeezenet: osc.Model, fail: Fail) -> None:
    fail(1)
    with pytest.raises(InputError, match="step 1 failed: there is not enough memory"):
        osc.render(squeezenet, "fire5:3", **QUICK)


@pytest.mark.slow
def test_a_device_that_is_lost_leaves_the_copy_on_the_host(
    squeezenet: osc.Model, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As after a CUDA error: nothing of the device can be read any more.
    good = osc.render(squeezenet, "fire5:3", **{**QUICK, "steps": 2})
    step = CompiledClimber.step

    def copying(self: CompiledClimber, *arguments: object, **keywords: object) -> object:
        result = step(self, *arguments, **keywords)
        if self._count == 2:
            self._copied_at -= 10
            self._copy_at_times()
        return result

    def lost(self: BoundSession) -> dict[str, np.ndarray]:
        raise ModelError("CUDA failure 700: an illegal memory access was encountered")

    monkeypatch.setattr(CompiledClimber, "step", copying)
    fail(5, "CUDA failure 700: an illegal memory access was encountered")

    def callback(progress: osc.Progress) -> None:
        if progress.step == 4:
            monkeypatch.setattr(BoundSession, "state", lost)

    with pytest.raises(AscentError, match=r"step 5 failed: .* illegal memory access") as caught:
        osc.render(squeezenet, "fire5:3", callback=callback, **QUICK)
    np.testing.assert_array_equal(caught.value.picture.images, good.images)
    assert caught.value.picture.recipe.steps == 2


def test_numbers_that_grow_beyond_bounds_keep_the_picture_before(squeezenet: osc.Model) -> None:
    class Growing:
        """Climbs well twice, then leaps."""

        def reset(self) -> None:
            self.step = 0

        def update(self, parameters: dict[str, np.ndarray], gradients: object) -> None:
            self.step += 1
            for name in parameters:
                parameters[name] += np.float32(0.01 if self.step < 3 else np.inf)

    with pytest.raises(AscentError, match="step 4") as caught:
        osc.render(squeezenet, "fire5:3", transforms=(), **{**QUICK, "optimizer": Growing()})
    assert len(caught.value.picture.values) == 3
    # The picture that the fourth step could not climb from.
    assert caught.value.picture.recipe.steps == 3


@pytest.mark.slow
def test_adam_takes_back_a_step_that_is_not_finite(
    squeezenet: osc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = osc.render(squeezenet, "fire5:3", **{**QUICK, "steps": 3})
    run = BoundSession.run
    counted = []

    def spoiled(self: BoundSession, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        counted.append(1)
        outputs = run(self, data)
        return outputs if len(counted) < 4 else outputs | {"largest": np.full(1, np.nan)}

    monkeypatch.setattr(BoundSession, "run", spoiled)
    with pytest.raises(AscentError, match="not finite at step 4") as caught:
        osc.render(squeezenet, "fire5:3", **QUICK)
    np.testing.assert_array_equal(caught.value.picture.images, good.images)
