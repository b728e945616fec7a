"""Which pictures a project shall have, and which come first."""

from __future__ import annotations

import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError, TargetError
from onnxscope.network.layers.layer import Layer
from onnxscope.objectives.targets import resolve
from onnxscope.pictures.series import Settings
from onnxscope.rules.standard import standard_rules
from onnxscope.store.kinds import KINDS
from onnxscope.store.plan import make_plan, part_of, shard


def places(plan):
    return [(layer.title, unit, kind.name) for layer, unit, kind in plan.order()]


def test_every_unit_of_the_main_layers_has_every_picture(squeezenet: osc.Model):
    plan = make_plan(squeezenet)
    main = [layer for layer in squeezenet.layers.values() if layer.main]
    expected = {
        (layer.title, unit, kind)
        for layer in main
        for unit in range(layer.channels)
        for kind in ("channel", "neuron", "negative", "diversity")
        if len(layer.shape) == 3 or kind in ("channel", "negative")
    }
    found = places(plan)
    assert set(found) == expected
    assert len(found) == len(expected) == plan.count()


def test_one_kind_comes_before_the_next_and_layers_take_turns(squeezenet: osc.Model):
    plan = make_plan(squeezenet, ["fire3", "fire8"], units="0:32", kinds=["channel", "neuron"])
    found = places(plan)
    assert [kind for _, _, kind in found] == ["channel"] * 64 + ["neuron"] * 64
    turns = [layer for layer, _, _ in found[:64:8]]
    assert turns == ["fire3", "fire8"] * 4


def test_an_even_sample_of_a_layer_comes_first(squeezenet: osc.Model):
    plan = make_plan(squeezenet, ["fire8"], kinds=["channel"])
    first = [unit for _, unit, _ in places(plan)[:64]]
    eighths = {unit // 64 for unit in first}
    assert eighths == set(range(8))


@pytest.mark.parametrize(
    ("units", "found"),
    [("0:3", (0, 1, 2)), ("0-3", (0, 1, 2, 3)), ("5, 1:3,2", (1, 2, 5)), ("127,500", (127,))],
)
def test_units_are_read(squeezenet: osc.Model, units, found):
    assert make_plan(squeezenet, ["fire3"], units=units).units == (found,)


@pytest.mark.parametrize("parts", [1, 3, 7])
def test_shards_are_all_of_it_and_nothing_twice(squeezenet: osc.Model, parts):
    plan = make_plan(squeezenet, ["fire3", "fire4"], kinds=["channel"])
    order = plan.order()
    made = [shard(plan, f"{part}/{parts}") for part in range(1, parts + 1)]
    assert sorted(map(id, (one[0] for one in order))) == sorted(
        id(one[0]) for part in made for one in part
    )
    assert {(layer.name, unit) for part in made for layer, unit, _ in part} == {
        (layer.name, unit) for layer, unit, _ in order
    }


def test_quality_is_size_and_steps(squeezenet: osc.Model):
    draft = make_plan(squeezenet, quality="draft")
    assert (draft.settings["size"], draft.settings["steps"]) == ((112, 112), 48)
    mine = make_plan(squeezenet, quality="draft", size=(60, 80), steps=3)
    assert (mine.height_and_width, mine.settings["steps"]) == ((60, 80), 3)


def test_a_question_is_the_same_only_where_all_is(squeezenet: osc.Model):
    def key(kind="channel", unit=1, **how):
        plan = make_plan(squeezenet, ["fire3"], **how)
        at = [one.name for one in plan.kinds].index(kind)
        return plan.wanted(plan.layers[0], unit, plan.kinds[at]).question.key

    given = {
        "seed": [1],
        "leak": [0, 0.2],
        "leak_steps": [3],
        "transforms": [()],
        "parameterization": [osc.Pixels()],
        "optimizer": [osc.Adam(0.01)],
        "redirect_steps": [0],
        "rules": ["guided", ["guided", "linear"]],
        "precision": ["float32"],
        "starts": [4, [1]],
        "patience": [16],
    }
    # Where it is computed is not what is asked; how many pictures there are, kinds say.
    apart = {"provider", "cache", "batch", "size", "steps"}
    assert given.keys() | apart == Settings.__annotations__.keys()
    made = [key(settings={name: one}) for name, some in given.items() for one in some]
    keys = [key(), key("negative"), key(unit=2), key(steps=5), key(size=100), *made]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]
    assert key(settings={"leak": 0.1}) == key()
    assert key(settings={"provider": "cpu"}) == keys[0]
    assert key(settings={"rules": "guided"}) == key(settings={"rules": ("guided",)})


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"layers": ["fire33"]}, LayerError, "did you mean 'fire3'"),
        ({"layers": ["fire3"], "units": "128"}, TargetError, "the largest has 128"),
        ({"units": "3:3"}, TargetError, "holds none"),
        ({"units": "a"}, TargetError, "0:64"),
        ({"kinds": ["neurons"]}, InputError, "did you mean 'neuron'"),
        ({"quality": "fin"}, InputError, "did you mean 'fine'"),
        ({"settings": {"rules": "guidet"}}, InputError, "did you mean 'guided'"),
        ({"settings": {"rules": standard_rules()}}, InputError, "nothing to tell it by; give nam"),
    ],
)
def test_what_does_not_fit_is_said(squeezenet: osc.Model, how, error, words):
    with pytest.raises(error, match=words):
        make_plan(squeezenet, **how)


def test_the_first_shard_however_it_is_written():
    assert [part_of(text) for text in ("1/8", " 01 / 8 ", "1/1")] == [(1, 8), (1, 8), (1, 1)]


@pytest.mark.parametrize("text", ["3/2", "0/2", "2", "a/b", "1/0"])
def test_shards_that_are_none(squeezenet: osc.Model, text):
    with pytest.raises(InputError, match=r"part|shard"):
        shard(make_plan(squeezenet, ["fire3"]), text)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_what_is_typed_for_a_picture_means_it(squeezenet: osc.Model, kind):
    layer = squeezenet.layers["fire3"]
    target, *options = kind.words(layer, 7)
    given = {
        "objective": "neuron" if "--objective" in options else None,
        "negative": "--negative" in options,
        "preactivation": "--negative" in options,
    }
    assert resolve(squeezenet, target, **given) == kind.objective(layer, 7)
    assert (str(kind.pictures) in options) == (kind.pictures > 1)


def test_a_neuron_among_tokens_of_unknown_places_is_typed_with_its_token():
    layer = Layer("blocks", (16, 50), 16, "Add")
    words = KINDS["neuron"].words(layer, 3)
    assert words == ["blocks:3", "--objective", "neuron", "--token", "25"]
    assert KINDS["neuron"].objective(layer, 3) == osc.neuron("blocks", 3, token=25)
