"""Objectives written as text: what is read, and what is refused in a sentence."""

from __future__ import annotations

import onnxscope as osc
import pytest
from onnxscope.errors import OnnxscopeError, TargetError
from onnxscope.objectives.targets import resolve


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ('channel("fire5", 11)', osc.channel("fire5", 11)),
        (
            "channel('fire5', 11, reduction='sum') - 0.25 * total_variation()",
            osc.channel("fire5", 11, reduction="sum") - 0.25 * osc.total_variation(),
        ),
        ('"fire5:11" + "daisy"', osc.channel("fire5", 11) + osc.channel("logits", 985)),
        ('-"fire5:11"', -osc.channel("fire5", 11)),
        ('"fire5:11"', osc.channel("fire5", 11)),
        ('toward("fire5:11", 3)', osc.toward(osc.channel("fire5", 11), 3)),
        (
            'interpolate("fire5:1", "fire5:2", 3) - 0.1*alignment("fire4")',
            osc.interpolate(osc.channel("fire5", 1), osc.channel("fire5", 2), 3)
            - 0.1 * osc.alignment("fire4"),
        ),
        (
            'each(["fire5:1", layer("fire2")])',
            osc.each([osc.channel("fire5", 1), osc.layer("fire2")]),
        ),
        (
            'direction("fire5", [1, -2, 0.5], cosine=2, box=(0, 0, 1, 0.5))',
            osc.direction("fire5", [1, -2, 0.5], cosine=2, box=(0, 0, 1, 0.5)),
        ),
        ('channels("fire5", {11: 1, 84: -0.5})', osc.channels("fire5", {11: 1, 84: -0.5})),
        ('logit("golden retriever")', osc.logit("golden retriever")),
        ("logit(3) * 2 + 1", osc.logit(3) * 2 + 1),
    ],
)
def test_what_is_read(squeezenet: osc.Model, text: str, objective: osc.Objective) -> None:
    assert resolve(squeezenet, text) == objective
    assert resolve(squeezenet, f" {text} ", negative=True) == -objective
    before = resolve(squeezenet, text, preactivation=True)
    assert before == osc.before_activation(objective)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'chanel("fire5", 11)',
            "there is no objective 'chanel'; known are channel, .*; did you mean 'channel'",
        ),
        ("channel('fire5')", r"channel\('fire5'\) cannot be read: .*missing 1 required"),
        ("channel('fire5', 11, unit=3)", "cannot be read: .*multiple values"),
        ("channel('fire5', x.y)", "'x.y' in .* cannot be read; it is made of"),
        ("channel('fire5', 11) / 2", "cannot be read; it is made of"),
        ("(lambda: 3)()", "cannot be read; it is made of"),
        ("__import__('os')", "there is no objective '__import__'"),
        ("open('x').read()", "cannot be read; it is made of"),
        ("l1(**{'constant': 1})", "cannot be read"),
        ("l1('x')", "the constant of a penalty must be a number, not 'x'"),
        ("(3, 4)", r"combined with objectives and numbers, not with \(3, 4\)"),
        ("'fire55:3' + l1()", "did you mean 'fire5'"),
        ("channel('fire5', True)", "must be a whole number, not True"),
    ],
)
def test_what_is_refused(squeezenet: osc.Model, text: str, message: str) -> None:
    with pytest.raises(OnnxscopeError, match=message) as caught:
        resolve(squeezenet, text)
    assert "\n" not in str(caught.value)


def test_an_expression_says_all_of_a_unit_itself(squeezenet: osc.Model) -> None:
    for given in ({"objective": "neuron"}, {"y": 3}, {"token": 0}, {"reduction": "sum"}):
        with pytest.raises(TargetError, match="says itself what it is of a unit"):
            resolve(squeezenet, "layer('fire5')", **given)


@pytest.mark.slow
def test_a_picture_is_made_of_it(squeezenet: osc.Model) -> None:
    given = {"size": 48, "steps": 2, "provider": "cpu"}
    text = 'logit("daisy") - 0.01 * sharpness()'
    picture = osc.render(squeezenet, text, **given)
    assert osc.remake(picture.recipe, squeezenet).recipe.objective == picture.recipe.objective
    assert (osc.Gradient(squeezenet, text)(picture.images)[1] != 0).any()
