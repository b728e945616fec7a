"""The command `onnxscope` and its commands."""

from __future__ import annotations

import io
import shlex
import sys
import warnings
from collections import UserDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from ..errors import OnnxscopeError, OnnxscopeWarning
from ..files import watched
from .overwriting import Overwriting

# A command is the `app` of the module of its name, and is shown by --help in this order.
COMMANDS = (
    "render",
    "inspect",
    "classes",
    "prepare",
    "convert",
    "gradient",
    "expose",
    "explain",
    "blocks",
    "compare",
    "examples",
    "microscope",
    "serve",
    "spectrum",
    "diversity",
    "interpolate",
    "arithmetic",
    "invert",
    "caricature",
    "accentuate",
    "dream",
    "style",
    "score",
    "relevance",
    "bench",
    "verify",
    "models",
    "cache",
)


@contextmanager
def _readable_warnings() -> Iterator[None]:
    """The library's warnings as a sentence each, said once."""
    from .console import warn

    said: set[str] = set()

    with warnings.catch_warnings():
        warnings.simplefilter("always", OnnxscopeWarning)
        # Pillow's, of photographs from half the size on that it refuses, which is said then.
        warnings.filterwarnings("ignore", r"Image size \(\d+ pixels\) exceeds limit")
        others = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], *where: Any, **options: Any
        ) -> None:
            if not issubclass(category, OnnxscopeWarning):
                others(message, category, *where, **options)
            elif str(message) not in said:
                said.add(str(message))
                warn(str(message))

        warnings.showwarning = show
        yield


def _guarded(invoke: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Run a command so that it writes over nothing that it reads, and says what it replaces."""

    def call(ctx: Any) -> Any:
        with watched(Overwriting(ctx.params)):
            return invoke(ctx)

    return call


def _explained(parse: Callable[[Any, list[str]], Any]) -> Callable[[Any, list[str]], Any]:
    """Parse a command; where a target with a minus is taken for an option, say how it is typed."""

    def call(ctx: Any, args: list[str]) -> Any:
        given = list(args)  # the parser empties them
        try:
            return parse(ctx, args)
        except Exception as error:
            # Typer's own or Click's, as the version of Typer has it: by name.
            if type(error).__name__ == "NoSuchOption":
                taken: Any = error
                words = given[: given.index("--")] if "--" in given else given
                taken.message += _behind_dashes(taken.option_name, words)
            raise

    return call


def _behind_dashes(option: str, words: list[str]) -> str:
    """How the target is typed that was taken for an option, such as `-f` of `-fire8:5`."""
    word = next((one for one in words if one.startswith(option)), "")
    # An option that is misspelt has two dashes, or one letter.
    if word.startswith("--") or len(word) < 3:
        return ""
    return f". A target that begins with - goes behind all options and --: -- {shlex.quote(word)}"


class _Modules(UserDict[str, Any]):
    """Commands by name, each taken from its module when it is first asked for."""

    def __getitem__(self, name: str) -> Any:
        found = self.data[name]
        if isinstance(found, str):
            found = cast("Any", typer.main.get_command(import_module(f".{found}", __package__).app))
            found.invoke = _guarded(found.invoke)
            found.parse_args = _explained(found.parse_args)
            self.data[name] = found
        return found


class Commands(TyperGroup):
    """Commands whose warnings and errors are one sentence, and errors the exit code 2."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Modules({name: name for name in COMMANDS})

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        Raises:
            typer.Exit: it failed, or was interrupted.
        """
        from .console import fail

        try:
            with _readable_warnings():
                return super().invoke(ctx)
        except OnnxscopeError as error:
            fail(str(error))
        except MemoryError as error:
            detail = f" ({error})" if str(error) else ""
            fail(f"there is not enough memory; try a smaller --size or --batch{detail}")
        except KeyboardInterrupt:
            fail("interrupted")
            raise typer.Exit(130) from None
        raise typer.Exit(2)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"onnxscope {__version__}")
        raise typer.Exit


@app.callback(epilog="Example: onnxscope render squeezenet fire5:11")
def onnxscope(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """A microscope for ONNX models: see what a unit of a network looks for."""
    del version  # its callback has acted on it
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows "?" for "×" instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
