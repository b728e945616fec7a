"""What is made first, what is given up, and that nothing piles up."""

from __future__ import annotations

import threading

import onnxscope as osc
import pytest
from onnxscope.server.asked import Asked, Asking
from onnxscope.server.queue import MOST, OPENED, SEEN, RenderQueue
from onnxscope.store.plan import make_plan


@pytest.fixture(scope="module")
def asking() -> Asking:
    network = osc.load("squeezenet")
    plan = make_plan(network, ["fire3", "fire4"], kinds=["channel", "neuron"], size=48, steps=2)
    return Asking(plan)


@pytest.fixture
def units(asking):
    def units(*numbers: int, layer: str = "fire3", kind: str = "channel") -> list[Asked]:
        return [asking.of_plan((layer, number, kind)) for number in numbers]

    return units


def numbers(group: list[Asked]) -> list[int]:
    return [one.wanted.unit for one in group]


def test_what_is_opened_large_comes_first_and_alone(units):
    queue = RenderQueue()
    queue.want("one", [(SEEN, one) for one in units(5, 6, 7)])
    queue.want("two", [(OPENED, one) for one in units(8, 9)])
    for expected in ([8], [9], [5, 6], [7]):
        group = queue.take(2)
        assert numbers(group) == expected
        for one in group:
            queue.done(one.key)
    assert len(queue) == 0


def test_browsers_take_turns(units):
    queue = RenderQueue()
    queue.want("one", [(SEEN, one) for one in units(*range(100))])
    queue.want("two", [(SEEN, one) for one in units(1, 2, 3, layer="fire4")])
    order = []
    for _ in range(4):
        (one,) = queue.take(1)
        order.append((one.wanted.layer.name, one.wanted.unit))
        queue.done(one.key)
    assert order == [("fire3", 0), ("fire4", 1), ("fire3", 1), ("fire4", 2)]


def test_only_what_is_alike_is_made_together(units):
    queue = RenderQueue()
    seen = [*units(1), *units(1, kind="neuron"), *units(2, layer="fire4"), *units(4)]
    queue.want("one", [(SEEN, one) for one in seen])
    assert numbers(queue.take(4)) == [1, 4]


def test_what_left_the_view_is_given_up_unless_another_wants_it(units):
    queue = RenderQueue()
    queue.want("one", [(SEEN, one) for one in units(1)])
    queue.take(1)
    assert queue.goes_on()
    queue.want("two", [(SEEN, one) for one in units(1, 2)])
    queue.want("one", [(SEEN, one) for one in units(3)])
    assert queue.goes_on()
    queue.leave("two")
    assert not queue.goes_on()
    queue.stopped()
    assert numbers(queue.take(1)) == [3]
    queue.leave("one")
    assert len(queue) == 0


def test_what_is_opened_interrupts_what_is_only_in_view(units):
    queue = RenderQueue()
    queue.want("one", [(SEEN, one) for one in units(1)])
    queue.take(1)
    queue.want("two", [(OPENED, one) for one in units(2)])
    assert not queue.goes_on()
    queue.stopped()
    assert numbers(queue.take(1)) == [2]
    queue.want("one", [(OPENED, one) for one in units(1)])
    assert queue.goes_on()


def test_it_is_bounded_and_each_picture_is_in_it_once(units):
    queue = RenderQueue()
    wanted = [(SEEN, one) for one in units(*range(100))] * 9
    queue.want("one", wanted)
    queue.want("two", wanted)
    assert len(queue) == 100
    other = [(SEEN, one) for layer in ("fire3", "fire4") for one in units(*range(128), layer=layer)]
    other += [(SEEN, one) for one in units(*range(128), kind="neuron")]
    other += [(SEEN, one) for one in units(*range(128), kind="neuron", layer="fire4")]
    queue.want("one", other)
    queue.leave("two")
    assert len(queue) == MOST


def test_what_failed_is_said_and_not_tried_again_at_once(units):
    queue = RenderQueue()
    (one,) = units(1)
    queue.want("one", [(SEEN, one)])
    queue.take(1)
    queue.done(one.key, "the disk is full")
    assert queue.failure(one.key) == "the disk is full"
    assert queue.failure("another") == ""


def test_who_wants_it_at_its_end_is_told_or_has_it_come_again(units):
    queue = RenderQueue()
    (one,) = units(1)
    queue.want("one", [(SEEN, one)])
    queue.take(1)
    queue.want("two", [(OPENED, one)])
    assert queue.done(one.key) == {"one": SEEN, "two": OPENED}
    # It had looked before the picture was there, and asks after its end.
    queue.want("three", [(SEEN, one)])
    assert queue.take(1) == [one]
    assert queue.done(one.key) == {"three": SEEN}
    assert queue.done(one.key) == {}


def test_who_waits_is_woken_by_the_end(units):
    queue = RenderQueue()
    assert queue.take(1, 0.01) is None
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(queue.take(1)), daemon=True)
    waiting.start()
    queue.close()
    waiting.join(10)
    assert found == [[]]
    queue.want("one", [(SEEN, one) for one in units(1)])
    assert len(queue) == 0
    assert not queue.goes_on()
