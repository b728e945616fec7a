"""Feature visualization for any ONNX model, with nothing but ONNX Runtime.

    import onnxscope as osc

    model = osc.load("squeezenet")
    picture = osc.render(model, osc.channel("fire5", 11), steps=128)
    picture.save("fire5-11.png")

What is imported here loads when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ascent.falling import Cosine as Cosine
    from .ascent.falling import Linear as Linear
    from .ascent.lbfgs import LBFGS as LBFGS
    from .ascent.loop import Progress as Progress
    from .ascent.momentum import Momentum as Momentum
    from .ascent.momentum import NAdam as NAdam
    from .ascent.optimizers import Adam as Adam
    from .ascent.schedules import Constant as Constant
    from .errors import OnnxscopeError as OnnxscopeError
    from .errors import OnnxscopeWarning as OnnxscopeWarning
    from .gradient.differentiation import differentiate as differentiate
    from .gradient.of_pictures import Gradient as Gradient
    from .graph.tensor import Tensor as Tensor
    from .network.exposing import expose as expose
    from .network.loading import load as load
    from .network.model import Model as Model
    from .network.photos import fit as fit
    from .objectives.algebra import Objective as Objective
    from .objectives.batches import alignment as alignment
    from .objectives.batches import diversity as diversity
    from .objectives.batches import interpolate as interpolate
    from .objectives.classes import logit as logit
    from .objectives.classes import probability as probability
    from .objectives.dictionaries import Dictionary as Dictionary
    from .objectives.dictionaries import dictionary as dictionary
    from .objectives.directions import channels as channels
    from .objectives.directions import cosine as cosine
    from .objectives.directions import direction as direction
    from .objectives.directions import neurons as neurons
    from .objectives.encoders import encoder as encoder
    from .objectives.levels import toward as toward
    from .objectives.making import before_activation as before_activation
    from .objectives.making import channel as channel
    from .objectives.making import each as each
    from .objectives.making import layer as layer
    from .objectives.making import neuron as neuron
    from .objectives.making import objective as objective
    from .objectives.others import seen_by as seen_by
    from .objectives.own_directions import directions as directions
    from .objectives.own_units import each_unit as each_unit
    from .objectives.penalties import boundary as boundary
    from .objectives.penalties import l1 as l1
    from .objectives.penalties import l2 as l2
    from .objectives.penalties import linf as linf
    from .objectives.penalties import sharpness as sharpness
    from .objectives.penalties import total_variation as total_variation
    from .objectives.photos import caricature as caricature
    from .objectives.photos import difference as difference
    from .objectives.photos import distance as distance
    from .objectives.photos import inversion as inversion
    from .objectives.photos import style as style
    from .objectives.populations import batch_norm_prior as batch_norm_prior
    from .objectives.populations import distribution as distribution
    from .objectives.populations import statistics as statistics
    from .objectives.transparency import opacity as opacity
    from .pages.building_blocks import write_blocks as write_blocks
    from .pages.every_unit import Microscope as Microscope
    from .pages.every_unit import microscope as microscope
    from .parameterizations.fixed import fixed as fixed
    from .parameterizations.fourier import Fourier as Fourier
    from .parameterizations.maco import Maco as Maco
    from .parameterizations.maco import spectrum as spectrum
    from .parameterizations.masked import within as within
    from .parameterizations.networks import Cppn as Cppn
    from .parameterizations.pixels import Pixels as Pixels
    from .parameterizations.pyramids import Laplacian as Laplacian
    from .parameterizations.pyramids import Shared as Shared
    from .parameterizations.started import start as start
    from .parameterizations.transparent import Transparent as Transparent
    from .parameterizations.transparent import transparent as transparent
    from .pictures.accentuation import accentuate as accentuate
    from .pictures.picture import Picture as Picture
    from .pictures.recipe import Recipe as Recipe
    from .pictures.recipe import read_recipe as read_recipe
    from .pictures.remaking import remake as remake
    from .pictures.rendering import render as render
    from .rules.named import named_rules as named_rules
    from .rules.standard import standard_rules as standard_rules
    from .rules.table import RuleTable as RuleTable
    from .server.live import Server as Server
    from .server.live import serve as serve
    from .studies.anatomy import Blocks as Blocks
    from .studies.arithmetic import arithmetic as arithmetic
    from .studies.building import blocks as blocks
    from .studies.collecting import examples as examples
    from .studies.collection import Examples as Examples
    from .studies.collection import read_examples as read_examples
    from .studies.comparing import compare as compare
    from .studies.depths import caricatures as caricatures
    from .studies.depths import invert as invert
    from .studies.diversity import diversify as diversify
    from .studies.dreaming import dream as dream
    from .studies.explaining import Explainer as Explainer
    from .studies.explaining import explain as explain
    from .studies.explanation import Explanation as Explanation
    from .studies.interpolation import morph as morph
    from .studies.relevance import relevance as relevance
    from .studies.scoring import score as score
    from .studies.scoring import scores as scores
    from .studies.spectra import unit_spectrum as unit_spectrum
    from .studies.spectrum_figure import UnitSpectrum as UnitSpectrum
    from .studies.styling import stylize as stylize
    from .transforms.backdrops import backdrop as backdrop
    from .transforms.filters import blur as blur
    from .transforms.filters import recolor as recolor
    from .transforms.geometric import flip as flip
    from .transforms.geometric import homography as homography
    from .transforms.geometric import jitter as jitter
    from .transforms.geometric import pad as pad
    from .transforms.geometric import rotate as rotate
    from .transforms.geometric import scale as scale
    from .transforms.glimpses import crop as crop
    from .transforms.glimpses import resize as resize
    from .transforms.glimpses import views as views
    from .transforms.noise import noise as noise
    from .transforms.presets import distill as distill
    from .transforms.presets import lucid as lucid
    from .transforms.slices import jitter_depth as jitter_depth
    from .verification.rule_check import check_rule as check_rule
    from .verification.rule_findings import RuleCheck as RuleCheck
    from .verification.run import verify as verify
    from .verification.verdict import Verification as Verification

__version__ = "0.1.0"

_HOMES = {
    "Progress": "ascent.loop",
    "OnnxscopeError": "errors",
    "OnnxscopeWarning": "errors",
    "Gradient": "gradient.of_pictures",
    "differentiate": "gradient.differentiation",
    "Tensor": "graph.tensor",
    "expose": "network.exposing",
    "load": "network.loading",
    "Model": "network.model",
    "fit": "network.photos",
    "Objective": "objectives.algebra",
    "alignment": "objectives.batches",
    "diversity": "objectives.batches",
    "interpolate": "objectives.batches",
    "logit": "objectives.classes",
    "probability": "objectives.classes",
    "Dictionary": "objectives.dictionaries",
    "dictionary": "objectives.dictionaries",
    "channels": "objectives.directions",
    "encoder": "objectives.encoders",
    "cosine": "objectives.directions",
    "direction": "objectives.directions",
    "neurons": "objectives.directions",
    "directions": "objectives.own_directions",
    "each_unit": "objectives.own_units",
    "sharpness": "objectives.penalties",
    "seen_by": "objectives.others",
    "boundary": "objectives.penalties",
    "linf": "objectives.penalties",
    "toward": "objectives.levels",
    "before_activation": "objectives.making",
    "channel": "objectives.making",
    "each": "objectives.making",
    "layer": "objectives.making",
    "neuron": "objectives.making",
    "objective": "objectives.making",
    "l1": "objectives.penalties",
    "l2": "objectives.penalties",
    "total_variation": "objectives.penalties",
    "opacity": "objectives.transparency",
    "caricature": "objectives.photos",
    "difference": "objectives.photos",
    "distance": "objectives.photos",
    "inversion": "objectives.photos",
    "style": "objectives.photos",
    "batch_norm_prior": "objectives.populations",
    "distribution": "objectives.populations",
    "statistics": "objectives.populations",
    "Adam": "ascent.optimizers",
    "LBFGS": "ascent.lbfgs",
    "Momentum": "ascent.momentum",
    "NAdam": "ascent.momentum",
    "Constant": "ascent.schedules",
    "Cosine": "ascent.falling",
    "Linear": "ascent.falling",
    "Fourier": "parameterizations.fourier",
    "fixed": "parameterizations.fixed",
    "within": "parameterizations.masked",
    "Cppn": "parameterizations.networks",
    "Laplacian": "parameterizations.pyramids",
    "Shared": "parameterizations.pyramids",
    "Maco": "parameterizations.maco",
    "spectrum": "parameterizations.maco",
    "start": "parameterizations.started",
    "Transparent": "parameterizations.transparent",
    "transparent": "parameterizations.transparent",
    "Pixels": "parameterizations.pixels",
    "accentuate": "pictures.accentuation",
    "Picture": "pictures.picture",
    "Recipe": "pictures.recipe",
    "read_recipe": "pictures.recipe",
    "remake": "pictures.remaking",
    "render": "pictures.rendering",
    "RuleTable": "rules.table",
    "named_rules": "rules.named",
    "standard_rules": "rules.standard",
    "Server": "server.live",
    "serve": "server.live",
    "arithmetic": "studies.arithmetic",
    "compare": "studies.comparing",
    "examples": "studies.collecting",
    "Examples": "studies.collection",
    "read_examples": "studies.collection",
    "caricatures": "studies.depths",
    "invert": "studies.depths",
    "diversify": "studies.diversity",
    "dream": "studies.dreaming",
    "morph": "studies.interpolation",
    "stylize": "studies.styling",
    "Explainer": "studies.explaining",
    "explain": "studies.explaining",
    "Blocks": "studies.anatomy",
    "blocks": "studies.building",
    "write_blocks": "pages.building_blocks",
    "Microscope": "pages.every_unit",
    "microscope": "pages.every_unit",
    "Explanation": "studies.explanation",
    "Score": "studies.unit_score",
    "relevance": "studies.relevance",
    "score": "studies.scoring",
    "scores": "studies.scoring",
    "unit_spectrum": "studies.spectra",
    "UnitSpectrum": "studies.spectrum_figure",
    "backdrop": "transforms.backdrops",
    "blur": "transforms.filters",
    "recolor": "transforms.filters",
    "crop": "transforms.glimpses",
    "resize": "transforms.glimpses",
    "views": "transforms.glimpses",
    "jitter_depth": "transforms.slices",
    "flip": "transforms.geometric",
    "homography": "transforms.geometric",
    "jitter": "transforms.geometric",
    "pad": "transforms.geometric",
    "rotate": "transforms.geometric",
    "scale": "transforms.geometric",
    "noise": "transforms.noise",
    "distill": "transforms.presets",
    "lucid": "transforms.presets",
    "Verification": "verification.verdict",
    "verify": "verification.run",
    "RuleCheck": "verification.rule_findings",
    "check_rule": "verification.rule_check",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
