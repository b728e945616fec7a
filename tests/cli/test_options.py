"""What options the commands have: which, in which order, and that each is written once."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from onnxscope.cli.app import COMMANDS, app
from onnxscope.cli.groups import Without, expanded
from onnxscope.cli.preprocessing import Preprocessing
from typer.testing import CliRunner

AIM = ["--objective", "--y", "--x", "--token", "--z", "--reduction", "--negative",
       "--before-activation"]  # fmt: skip
RUN = ["--steps", "--size", "--seed", "--batch", "--batch-size", "--provider"]
VIEW = ["--crop", "--mark", "--enlarge", "--alpha", "--show"]
ASCENT = ["--parameterization", "--no-decorrelate", "--transparent", "--fix", "--transforms",
          "--optimizer", "--learning-rate", "--redirect-steps", "--leak", "--leak-steps",
          "--starts", "--until-stalled", "--rules", "--precision"]  # fmt: skip
PREPROCESSING = ["--preprocessing", "--input-range", "--mean", "--std", "--range", "--means",
                 "--stds", "--channel-order", "--layout", "--colors", "--channel-axis",
                 "--image-input", "--input", "--labels"]  # fmt: skip
STUDY = ["--output", "--steps", "--size", "--seed", "--provider", "--quiet", "--no-cache"]
STUDIES = {"compare", "spectrum", "diversity", "interpolate", "arithmetic", "invert", "caricature",
           "accentuate", "dream", "style", "score"}  # fmt: skip
ORDERS = {
    "render": ["model", "targets", "--output", "--sheet", "--overwrite", *AIM, *RUN, "--strip",
               "--snapshots", "--animation", *VIEW, "--recipe", "--quiet", "--no-cache", *ASCENT,
               *PREPROCESSING],
    "inspect": ["model", "target", "--all", "--image", "--shape", "--json", *PREPROCESSING],
    "classes": ["model", "search", "--json", *PREPROCESSING],
    "prepare": ["model", "--output", "--remember", "--forget", *PREPROCESSING[:8],
                "--channel-axis", "--labels"],
    "convert": ["weights", "--output", "--architecture", "--labels"],
    "gradient": ["model", "target", "--output", "--wrt", "--shape", *AIM, "--size", "--batch",
                 *PREPROCESSING],
    "expose": ["model", "layers", "--output", "--cut"],
    "explain": ["model", "photos", "--output", "--method", "--layer", "--top", "--size",
                "--batch-size", "--provider", "--export", "--json", *PREPROCESSING],
    "blocks": ["model", "photos", "--output", "--layers", "--groups", "--classes", "--strongest",
               "--side", "--steps", "--seed", "--provider", *PREPROCESSING],
    "compare": ["model", "target", *STUDY, "--json", *PREPROCESSING],
    "examples": ["model", "given", "--output", "--count", "--by", "--relevance",
                 "--before-activation", "--no-sheets", "--size", "--batch-size", "--provider",
                 "--quiet", *PREPROCESSING],
    "microscope": ["model", "layers", "--output", "--units", "--what", "--photos", "--eye",
                   "--quality", "--size", "--steps", "--seed", "--shard", "--time",
                   "--scheduler", "--export", "--provider", "--batch-size", "--quiet",
                   *PREPROCESSING],
    "serve": ["model", "layers", "--output", "--units", "--quality", "--size", "--steps", "--seed",
              "--host", "--port", "--open", "--provider", *PREPROCESSING],
    "spectrum": ["model", "target", "photos", *STUDY, *PREPROCESSING],
    "diversity": ["model", "target", "--count", "--layer", "--strength", *STUDY, *PREPROCESSING],
    "interpolate": ["model", "start", "stop", "--count", "--layer", "--strength", "--animation",
                    *STUDY, *PREPROCESSING],
    "arithmetic": ["model", "targets", "--rows", *STUDY, *PREPROCESSING],
    "invert": ["model", "photo", "layers", "--smooth", "--optimizer", *STUDY, *PREPROCESSING],
    "caricature": ["model", "photo", "layers", "--cosine", *STUDY, *PREPROCESSING],
    "accentuate": ["model", "photo", "target", "--layer", "--strength", "--toward", *STUDY,
                   *PREPROCESSING],
    "dream": ["model", "photo", "target", "--octaves", "--ratio", "--strength", "--tile", *STUDY,
              *PREPROCESSING],
    "style": ["model", "photo", "painting", "--content", "--style-layer", "--strength", *STUDY,
              *PREPROCESSING],
    "score": ["model", "given", "--picture", "--eye", *STUDY[1:], "--json", *PREPROCESSING],
    "relevance": ["model", "target", "layer", "photos", "--output", "--size", "--provider",
                  *PREPROCESSING],
    "bench": ["model", "target", "--objective", "--random", "--size", "--batch", "--rounds",
              "--steps", "--provider", "--profile", "--json",
              *[name for name in PREPROCESSING if name not in ("--channel-axis", "--labels")]],
    "verify": ["model", "target", "--provider", "--directions", "--seed", "--size", "--shape",
               "--wrt", "--timeout", "--json", *PREPROCESSING],
}  # fmt: skip

# By option the commands in which the same word means something else, and is said otherwise.
MEANS_ELSE = {
    # It can be left out.
    "--output": {
        "render",
        "blocks",
        "prepare",
        "explain",
        "examples",
        "microscope",
        "serve",
        *STUDIES,
    },
    "--quality": {"microscope", "serve"},  # of a project that is there, or of a new one
    "--labels": {"convert"},  # put into the file
    "--shape": {"gradient", "inspect"},  # is built into the graph; what loops depend on
    "--size": {"bench", *STUDIES},  # one number, with a default of its own; the photo's own
    "--batch": {"gradient", "bench"},  # what a graph takes at once; several numbers
    "--steps": {
        "bench",
        "blocks",
        *STUDIES,
        "microscope",
        "serve",
    },  # in a turn; what a study or a quality needs
    "--export": {"microscope"},  # of units, no map
    "--wrt": {"gradient"},  # without it the gradient is that of an objective
    "--seed": {"verify", "blocks", "serve"},  # a point and directions; that of the project
    "--count": {"diversity", "interpolate"},  # each has a default of its own
    "--layer": {"explain"},  # what a method looks at
    "--strength": STUDIES,  # of something else in each
    "--animation": {"interpolate"},  # from one picture to another
    "--json": {
        "explain",
        "verify",
        "classes",
        "bench",
        "inspect",
        "compare",
        "score",
    },  # each says what is in it
    # Of photos, or of all units.
    "--batch-size": {
        "explain",
        "examples",
        "microscope",
    },
    # No recipe says it.
    "--provider": {
        "bench",
        "blocks",
        "explain",
        "examples",
        "microscope",
        "relevance",
        "serve",
        "verify",
    },
}


def commands() -> dict[str, Any]:
    group = typer.main.get_command(app)
    return dict(group.commands)


def test_each_module_is_one_command():
    assert tuple(commands()) == COMMANDS
    assert [command.name for command in commands().values()] == list(COMMANDS)


def test_no_command_is_forgotten():
    groups = {name for name, command in commands().items() if hasattr(command, "commands")}
    assert ORDERS.keys() | groups == set(COMMANDS)


@pytest.mark.parametrize("name", ORDERS)
def test_options_come_in_this_order(name):
    found = [max(parameter.opts, key=len) for parameter in commands()[name].params]
    assert found == ORDERS[name]


def test_no_option_is_said_in_two_ways():
    said: dict[str, dict[tuple[Any, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, command in commands().items():
        for one in command.params:
            option = max(one.opts, key=len)
            if option.startswith("-"):
                told = one.help, one.default, one.metavar, one.rich_help_panel, tuple(one.opts)
                said[option][told].append(name)
    for option, ways in said.items():
        others = MEANS_ELSE.get(option, set())
        usual = [names for names in ways.values() if not others.issuperset(names)]
        assert len(usual) <= 1, f"{option} is declared in several ways: {usual}"
        for names in ways.values():
            assert not others.intersection(names) or others.issuperset(names), (
                f"{option} is the same in {names}: take it out of what means something else"
            )


def test_what_takes_words_completes_them():
    """Whatever lists its words, between bars or in its help, offers them to the shell."""
    listed, completed = set(), {}
    for command in commands().values():
        for one in command.params:
            option = max(one.opts, key=len)
            words = (one.metavar or "").removesuffix("|…").split("|")
            if option.startswith("--") and len(words) > 1 and all(map(str.islower, words)):
                listed.add(option)
            offered = [item.value for item in one.shell_complete(typer.Context(command), "")]
            if option.startswith("--") and offered:
                assert completed.setdefault(option, offered) == offered, option
    assert listed <= set(completed)
    assert completed["--quality"] == ["draft", "good", "fine"]
    assert completed["--reduction"] == ["mean", "sum"]
    # What has calls as well is known in its help.
    help_of = {max(one.opts, key=len): one.help for one in commands()["render"].params}
    for option in (
        "--optimizer",
        "--parameterization",
        "--preprocessing",
        "--rules",
        "--transforms",
    ):
        assert [word for word in completed[option] if word not in help_of[option]] == [], option


@pytest.mark.slow
def test_a_command_imports_no_other(folder):
    code = (
        "import sys\n"
        "from onnxscope.cli.app import COMMANDS, app\n"
        "app(['cache', 'path'], standalone_mode=False)\n"
        "others = {f'onnxscope.cli.{name}' for name in COMMANDS} & set(sys.modules)\n"
        "sys.exit(0 if others == {'onnxscope.cli.cache'} else f'imported: {others}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr


def test_a_mistyped_command_is_guessed(run):
    result = run("rendr")
    assert result.exit_code == 2
    assert "Did you mean 'render'?" in result.output


# Groups ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paint:
    color: Annotated[str, typer.Option(help="Of the wall.")]
    coats: Annotated[int, typer.Option("--coats", "-c")] = 2
    brushes: Annotated[list[str] | None, typer.Option("--brush")] = None


def called(command: Any, *arguments: str) -> Any:
    cli = typer.Typer(add_completion=False)
    cli.command()(expanded(command))
    return CliRunner().invoke(cli, arguments)


def test_a_group_is_its_fields():
    def show(
        *,
        ctx: typer.Context,
        before: Annotated[int, typer.Option()] = 1,
        paint: Paint,
        after: Annotated[bool, typer.Option("--after")] = False,
    ) -> None:
        """Show a wall."""
        names = [parameter.name for parameter in ctx.command.params]
        typer.echo(f"{names} {before} {paint} {after}")

    order = "['before', 'color', 'coats', 'brushes', 'after']"
    given = called(show, "--color", "red", "-c", "3", "--brush", "a", "--brush", "b", "--after")
    assert given.stdout == f"{order} 1 {Paint('red', 3, ['a', 'b'])} True\n"
    assert called(show, "--color", "red").stdout == f"{order} 1 {Paint('red')} False\n"
    assert called(show).exit_code == 2  # a field without a default has to be given
    assert "Show a wall." in called(show, "--help").stdout


def test_fields_can_be_left_out():
    seen = []

    def show(*, paint) -> None:
        seen.append(paint)

    show.__annotations__ = {"paint": Annotated[Paint, Without("coats", "brushes")]}
    assert called(show, "--color", "red").exit_code == 0
    assert seen == [Paint("red")]
    assert called(show, "--color", "red", "--coats", "1").exit_code == 2


def test_groups_that_cannot_be_options_are_refused():
    def show(*, paint, coats=1) -> None: ...

    show.__annotations__ = {"paint": Paint, "coats": int}
    with pytest.raises(TypeError, match="show takes coats twice"):
        expanded(show)
    show.__annotations__ = {"paint": Annotated[Paint, Without("color", "coat")], "coats": int}
    with pytest.raises(
        TypeError, match=r"coat, color cannot be left out of Paint: .* coats, brush"
    ):
        expanded(show)


def test_what_was_given_of_a_preprocessing():
    assert Preprocessing().given == {}
    inputs = Preprocessing(inputs=["gain=1"])
    assert inputs.given == {"inputs": ["gain=1"]}
    assert not inputs.is_about_pictures
    assert Preprocessing(layout="NHWC", inputs=["gain=1"]).is_about_pictures
