"""The exported networks that this benchmark goes through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One network and how it is exported.

    Attributes:
        library: `timm`, `torchvision` or `own`.
        name: As the library calls it.
        size: Height and width of the picture in pixels.
        exporter: `dynamo` or `torchscript`.
        opset: That the exporter is asked for.
        open_dims: Which dimensions of the input stay open: `batch`, `size`.
        keywords: Passed to the library. Large variants are made narrower or shallower with them,
            and sizes that a network fixes are set.
        render: Whether `onnxscope.render` takes two steps on a middle layer, too.
    """

    library: str
    name: str
    size: int
    exporter: str
    opset: int = 18
    open_dims: tuple[str, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    render: bool = False

    @property
    def key(self) -> str:
        """A name for files: unique in the list."""
        short = {"dynamo": "d", "torchscript": "t"}[self.exporter]
        dims = "".join(dim[0] for dim in self.open_dims)
        return f"{self.name}-{short}{self.opset}{dims and '-' + dims}"


def cases() -> list[Case]:
    """Return all of them, each architecture once and some in both exporters' form."""
    found = [
        *_timm("torchscript", 18, _TORCHSCRIPT),
        *_timm("dynamo", 18, _DYNAMO),
        *_timm("torchscript", 13, _OPSET_13),
        *_timm("torchscript", 17, _OPSET_17),
        *_timm("torchscript", 20, _OPSET_20),
        *_timm("dynamo", 20, _DYNAMO_20),
        *_timm("dynamo", 23, _DYNAMO_23),
        *_timm("torchscript", 18, _OPEN_BATCH, ("batch",)),
        *_timm("dynamo", 18, _OPEN_BATCH, ("batch",)),
        *_timm("torchscript", 18, _OPEN_SIZE, ("batch", "size")),
        *_timm("dynamo", 18, _OPEN_SIZE, ("batch", "size")),
        *(
            Case("torchvision", name, size, exporter, opset, keywords=keywords, render=render)
            for name, size, exporter, opset, keywords, render in _TORCHVISION
        ),
        Case("own", "unet", 96, "dynamo", render=True),
        Case("own", "unet", 96, "torchscript", 18, ("batch", "size")),
    ]
    keys = [case.key for case in found]
    assert len(set(keys)) == len(keys), "two cases share a key"
    return found


_Entry = str | tuple[str, dict[str, Any]]


def _timm(
    exporter: str, opset: int, entries: dict[int, list[_Entry]], open_dims: tuple[str, ...] = ()
) -> list[Case]:
    made = []
    for size, listed in entries.items():
        for entry in listed:
            name, keywords = (entry, {}) if isinstance(entry, str) else entry
            render = name in _RENDERED and not open_dims
            made.append(Case("timm", name, size, exporter, opset, open_dims, keywords, render))
    return made


_RENDERED = {"convnext_atto", "efficientnet_b0", "mobilevit_xxs", "regnety_002", "starnet_s050"}

# By the picture's size. Small ones for networks of very many ReLUs, of which in a large picture
# some would always be at their kink.
_TORCHSCRIPT: dict[int, list[_Entry]] = {
    64: [
        "densenet121",
        "mobileone_s0",
        "res2net50_26w_4s",
        "resnext50_32x4d",
        ("tresnet_m", {"width_factor": 0.5}),
    ],
    128: [
        "resnet26d",
        "regnety_002",
        "regnetz_b16",
        "efficientnet_b0",
        "tf_efficientnet_lite0",
        "tf_efficientnetv2_b0",
        "tf_mixnet_s",
        "mobilenetv3_large_100",
        "tf_mobilenetv3_small_minimal_100",
        "mobilenetv4_conv_small",
        "convnext_atto",
        "poolformer_s12",
        "caformer_s18",
        "nf_resnet26",
        "xception41",
        "ese_vovnet19b_slim_dw",
        "ghostnet_050",
        "ghostnetv2_100",
        "hardcorenas_a",
        "repvgg_a0",
        "resnest14d",
        "rexnet_100",
        "selecsls42b",
        "skresnet18",
        "edgenext_xx_small",
        "fastvit_t8",
        "hgnetv2_b0",
        "darknet17",
        "cs3darknet_focus_s",
        "dla46_c",
        "dpn48b",
        "legacy_seresnet18",
        "resnetv2_18",
        "repvit_m0_9",
        "repghostnet_050",
        "starnet_s050",
        "mambaout_femto",
        "gernet_s",
        "fasternet_t0",
        "lcnetv2_small",
        "rdnet_tiny",
        "efficientvit_b0",
        "pvt_v2_b0",
    ],
    96: ["inception_v3"],
    224: [
        ("vgg11_bn", {"mlp_ratio": 0.0625}),
        "vit_tiny_patch16_224",
        ("swin_tiny_patch4_window7_224", {"embed_dim": 48}),
        ("cait_xxs24_224", {"depth": 6}),
        "coat_lite_tiny",
        "resmlp_12_224",
        "gmlp_ti16_224",
        ("twins_svt_small", {"depths": [2, 2, 2, 2]}),
        "visformer_tiny",
        "xcit_nano_12_p16_224",
        "levit_128s",
        "efficientformer_l1",
        "pit_ti_224",
        "vit_tiny_r_s16_p8_224",
        "efficientvit_m0",
        "mvitv2_tiny",
        "convit_tiny",
        ("sequencer2d_s", {"layers": [1, 1, 2, 1], "embed_dims": [96, 192, 192, 192]}),
    ],
    240: ["crossvit_tiny_240"],
    256: ["botnet26t_256", "mobilevit_xxs"],
}

_DYNAMO: dict[int, list[_Entry]] = {
    128: [
        "resnet18",
        "regnetx_002",
        "efficientnet_lite0",
        "mobilenetv2_100",
        "mobilenetv3_small_100",
        "mobilenetv4_hybrid_medium",
        "convnext_atto",
        "convnextv2_atto",
        "convformer_s18",
        "poolformerv2_s12",
        "eca_nfnet_l0",
        "nf_regnet_b0",
        "hrnet_w18_small",
        "shvit_s1",
        "swiftformer_xs",
        "efficientvim_m1",
        "iformer_t",
        "lowformer_b0",
        "inception_next_atto",
        "resnetv2_50d_gn",
        "gcresnext26ts",
        "mobilevitv2_050",
        "efficientformerv2_s0",
        "davit_tiny",
        "focalnet_tiny_srf",
    ],
    140: ["convmixer_1024_20_ks9_p14"],
    64: ["dpn68"],
    96: ["inception_v4", "inception_resnet_v2", "legacy_xception"],
    224: [
        "deit_tiny_patch16_224",
        ("deit3_small_patch16_224", {"depth": 4}),
        ("beit_base_patch16_224", {"depth": 3, "embed_dim": 192, "num_heads": 3}),
        ("swin_s3_tiny_224", {"embed_dim": 48}),
        "mixer_s32_224",
        ("twins_pcpvt_small", {"depths": [1, 1, 2, 1]}),
        "volo_d1_224",
        ("eva02_tiny_patch14_224", {"depth": 4}),
        "nest_tiny",
        ("hiera_tiny_224", {"stages": [1, 1, 3, 1]}),
        "tiny_vit_5m_224",
        ("tnt_s_patch16_224", {"depth": 3}),
        ("vit_relpos_small_patch16_224", {"depth": 4}),
        ("samvit_base_patch16_224", {"depth": 4, "embed_dim": 192, "num_heads": 3}),
        ("vitamin_small_224", {}),
        "coatnet_nano_rw_224",
        ("gcvit_xxtiny", {}),
    ],
    256: [
        ("swinv2_tiny_window8_256", {"embed_dim": 48}),
        "maxvit_rmlp_pico_rw_256",
        "lambda_resnet26t",
        "halonet26t",
    ],
}

_OPSET_13: dict[int, list[_Entry]] = {
    64: ["densenet121"],
    128: ["mobilenetv2_100", "resnet18", "tf_efficientnet_b0", "mnasnet_small"],
    96: ["tf_inception_v3"],
}
_OPSET_17: dict[int, list[_Entry]] = {
    128: ["convnextv2_atto", "fbnetc_100", "spnasnet_100", "nextvit_small"],
    224: ["deit_tiny_patch16_224"],
}
_OPSET_20: dict[int, list[_Entry]] = {
    128: ["efficientnetv2_rw_t", "inception_next_atto", "tinynet_e"],
    256: [("maxvit_tiny_rw_256", {"embed_dim": [32, 64, 128, 256], "depths": [1, 1, 2, 1]})],
}
_DYNAMO_20: dict[int, list[_Entry]] = {
    128: ["mambaout_femto", "csatv2"],
    224: ["vit_tiny_patch16_224"],
}
_DYNAMO_23: dict[int, list[_Entry]] = {
    128: ["efficientnet_b0", "caformer_s18"],
    224: [("vit_small_patch16_dinov3", {"depth": 4}), "xcit_nano_12_p16_224"],
}
_OPEN_BATCH: dict[int, list[_Entry]] = {
    128: ["resnet18", "mobilenetv3_small_100"],
    224: ["vit_tiny_patch16_224", ("swin_tiny_patch4_window7_224", {"embed_dim": 48})],
}
_OPEN_SIZE: dict[int, list[_Entry]] = {
    128: ["resnet18", "efficientnet_b0", "convnext_atto"],
}

_TORCHVISION: list[tuple[str, int, str, int, dict[str, Any], bool]] = [
    ("deeplabv3_mobilenet_v3_large", 128, "torchscript", 18, {}, False),
    ("deeplabv3_mobilenet_v3_large", 128, "dynamo", 18, {}, False),
    ("lraspp_mobilenet_v3_large", 128, "dynamo", 18, {}, False),
    ("lraspp_mobilenet_v3_large", 128, "torchscript", 17, {}, False),
    ("fcn_resnet50", 96, "torchscript", 18, {}, False),
    ("googlenet", 128, "dynamo", 18, {"aux_logits": False, "init_weights": False}, True),
    ("squeezenet1_1", 128, "torchscript", 13, {}, True),
    ("shufflenet_v2_x0_5", 128, "torchscript", 18, {}, False),
    ("mnasnet0_5", 128, "dynamo", 18, {}, False),
    ("swin_v2_t", 128, "dynamo", 18, {}, False),
]
