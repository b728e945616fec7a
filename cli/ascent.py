"""How a picture is climbed, as the options of a command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .completion import words_of

if TYPE_CHECKING:
    from ..pictures.series import Settings

_ASCENT = "The ascent"


class PrecisionKind(StrEnum):
    """What CUDA computes in."""

    FLOAT32 = "float32"
    TF32 = "tf32"
    FLOAT16 = "float16"


@dataclass(frozen=True)
class Ascent:
    """How a picture is climbed.

    Attributes:
        parameterization: What the picture is made of.
        no_decorrelate: Whether its parameters are plain RGB.
        transparent: Whether the picture has an opacity of its own.
        fix: Channels that are given, each as `CHANNEL=FILE`.
        transforms: What happens to the picture in each step; `None` for what fits it.
        optimizer: The update rule; `None` for what fits the parameterization.
        learning_rate: The size of its steps; `None` for its own.
        redirect_steps: Number of steps with gradients through ReLUs that are off.
        leak: What part of the gradient passes ReLUs that are off in the first steps; `None` for
            what fits.
        leak_steps: In how many.
        starts: How many starts are tried for each picture.
        until_stalled: How many steps without progress end the ascent.
        rules: Names of tables of gradient rules, between commas.
        precision: What CUDA computes in.
    """

    parameterization: Annotated[
        str,
        typer.Option(
            metavar="NAME|CALL",
            autocompletion=words_of("--parameterization"),
            help="What the picture is made of: fourier, pixels, laplacian, shared, cppn, maco, or "
            "a call such as 'start(\"dog.jpg\")' or 'maco(\"photos/\")'.",
            rich_help_panel=_ASCENT,
        ),
    ] = "fourier"
    no_decorrelate: Annotated[
        bool,
        typer.Option(
            "--no-decorrelate",
            help="Climb in plain RGB instead of decorrelated colours.",
            rich_help_panel=_ASCENT,
        ),
    ] = False
    transparent: Annotated[
        bool,
        typer.Option(
            "--transparent",
            help="Make it opaque only where the unit needs it, in front of random pictures, in "
            ".png or .webp.",
            rich_help_panel=_ASCENT,
        ),
    ] = False
    fix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHANNEL=FILE",
            help="Hold a channel fixed, such as 3=nir.npy, a picture, or a number; repeat as "
            "needed.",
            show_default=False,
            rich_help_panel=_ASCENT,
        ),
    ] = None
    transforms: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|CALLS",
            autocompletion=words_of("--transforms"),
            help="Random transforms in each step: lucid, distill (the article's), none, or calls "
            "such as 'views(16), crop(0.3, 0.6), noise(0.08)'.  [default: lucid; of other pictures "
            "than RGB what fits them]",
            rich_help_panel=_ASCENT,
        ),
    ] = None
    optimizer: options.OptimizerName = None
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="The size of its steps.  [default: its own: of fourier 0.075, which falls to a "
            "tenth in the second half, of cppn 0.005, of maco 0.2, else 0.05]",
            rich_help_panel=_ASCENT,
        ),
    ] = None
    redirect_steps: Annotated[
        int,
        typer.Option(
            help="In this many first steps a missing gradient gets through ReLUs that are off.",
            rich_help_panel=_ASCENT,
        ),
    ] = 16
    leak: Annotated[
        float | None,
        typer.Option(
            help="What part of the gradient passes ReLUs that are off in the first steps, for "
            "whole subjects; 0 for none.  [default: 0.1; with --rules or a photo to start from 0]",
            rich_help_panel=_ASCENT,
        ),
    ] = None
    leak_steps: Annotated[
        int | None,
        typer.Option(
            help="In how many first steps it does.  [default: a quarter of them]",
            rich_help_panel=_ASCENT,
        ),
    ] = None
    starts: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Try so many starts for an eighth of the steps each, and go on with the best.",
            rich_help_panel=_ASCENT,
        ),
    ] = 1
    until_stalled: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="End once the mean value of N steps is no more than 1 % above that of the N "
            "before.  [default: make all steps]",
            rich_help_panel=_ASCENT,
        ),
    ] = None
    rules: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            autocompletion=words_of("--rules"),
            help="Gradient rules in the place of the exact ones: smoothed_pooling, "
            "average_pooling, straight_through, linear, redirected, guided, deconvnet, or several "
            "between commas.  [default: none]",
            rich_help_panel=_ASCENT,
            show_default=False,
        ),
    ] = ""
    precision: Annotated[
        PrecisionKind,
        typer.Option(
            help="On CUDA, of the network and its gradient: tf32 rounds what is multiplied, "
            "float32 does not, float16 is half precision.",
            rich_help_panel=_ASCENT,
        ),
    ] = PrecisionKind.TF32

    def settings(self) -> Settings:
        """Return it as `onnxscope.render` takes it."""
        from ..ascent.leak import fitting_slope
        from ..ascent.optimizers import SearchingOptimizer
        from ..transforms.written import parse_transforms
        from .parts import optimizer_for, parse_fixed, parse_parameterization

        made_of = parse_parameterization(self.parameterization, decorrelate=not self.no_decorrelate)
        if self.fix:
            from ..parameterizations.fixed import fixed

            made_of = fixed(parse_fixed(self.fix), made_of)
        if self.transparent:
            from ..parameterizations.transparent import transparent

            made_of = transparent(made_of)
        optimizer = optimizer_for(self.optimizer, self.learning_rate, made_of)
        transforms = None if self.transforms is None else parse_transforms(self.transforms)
        if transforms is None and isinstance(optimizer, SearchingOptimizer):
            # With random ones it would compare values of several objectives.
            transforms = ()
        rules, leak = self.rules.replace(" ", "").split(",") if self.rules else None, self.leak
        return {
            "parameterization": made_of,
            "transforms": transforms,
            "optimizer": optimizer,
            "redirect_steps": self.redirect_steps,
            # Said, so that a picture that is there is told from one that was made without.
            "leak": fitting_slope(rules, optimizer, made_of) if leak is None else leak,
            "leak_steps": self.leak_steps,
            "starts": self.starts,
            "patience": self.until_stalled,
            "rules": rules,
            "precision": self.precision.value,
        }
