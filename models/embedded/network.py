"""The network of the embedded detector: transformers' RT-DETR, small enough to be trained on a few CPU cores.

torch and transformers are looked up by name here, once, so that nothing else in the package needs them."""

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from .classes import LABELS
from .dataset import INPUT_SIDE

QUERIES = 50


def torch_module() -> Any:
    """torch, untyped. Raises ImportError with the extra to install where it is missing."""
    return _workshop_module("torch")


def _workshop_module(name: str) -> Any:
    try:
        return cast(Any, import_module(name))
    except ImportError as fault:
        raise ImportError(
            f"{name} is missing: training needs the extra 'train' (pip install 'inflare[train]')"
        ) from fault


def new_network(queries: int = QUERIES, denoising: int = 30) -> Any:
    """An untrained RTDetrForObjectDetection of 1.6 million parameters.

    Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", 2024; transformers' implementation. Input
    float32 [B, 3, H, W] in 0..1, strides 8, 16 and 32."""
    transformers = _workshop_module("transformers")
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 48, 96, 128],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        downsample_in_bottleneck=False,
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.RTDetrConfig(
        backbone_config=backbone,
        # The default freezes the batch norms of a pretrained backbone; this one starts from nothing.
        freeze_backbone_batch_norms=False,
        encoder_hidden_dim=96,
        encoder_in_channels=[48, 96, 128],
        encoder_ffn_dim=256,
        encoder_attention_heads=4,
        hidden_expansion=0.5,
        d_model=96,
        decoder_in_channels=[96, 96, 96],
        decoder_ffn_dim=256,
        decoder_attention_heads=4,
        decoder_layers=3,
        num_queries=queries,
        num_denoising=denoising,
        # Twice the default: boxes were found well (AR 0.74) long before they were told apart (AP 0.63).
        weight_loss_vfl=2.0,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    return transformers.RTDetrForObjectDetection(config)


def save_hub_layout(network: Any, folder: Path) -> None:
    """Writes config.json, model.safetensors and preprocessor_config.json as the hub holds them."""
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        f'{{"do_resize": true, "size": {{"height": {INPUT_SIDE}, "width": {INPUT_SIDE}}}, "do_rescale": true, '
        '"do_normalize": false, "do_pad": false, "resample": 2}\n'
    )


def save_weights(weights: dict[str, Any], folder: Path) -> None:
    """Writes tensors by name as `folder`/model.safetensors."""
    folder.mkdir(exist_ok=True)
    _workshop_module("safetensors.torch").save_file(weights, folder / "model.safetensors")


def freeze_stem(network: Any) -> None:
    """Keeps the first layers of the backbone as they are: what they see, edges and colours, was learnt long ago, and
    their maps, the largest, take a seventh of a step's time."""
    backbone = network.model.backbone.model
    for part in (backbone.embedder, backbone.encoder.stages[0]):
        part.requires_grad_(False)
        part.eval()


def averaged(network: Any) -> Any:
    """A copy of the network that is moved by `follow` and never trained."""
    copy = import_module("copy").deepcopy(network)
    for parameter in copy.parameters():
        parameter.requires_grad_(False)
    return copy.eval()


def follow(average: Any, network: Any, step: int, decay: float = 0.998) -> None:
    """Moves the average towards the network: exponential, quicker in the first steps."""
    torch = torch_module()
    share = 1 - min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mine, theirs in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, share)
            else:
                mine.copy_(theirs)
