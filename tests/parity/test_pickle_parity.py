"""What torch.save writes is read as torch.load reads it."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inflare.models.architectures.pickle_checkpoint import read_pickle

from .references import torch

DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_element_type_is_read(tmp_path: Path, dtype: str) -> None:
    value = (torch.arange(12).reshape(3, 4) % 5).to(getattr(torch, dtype))
    torch.save({"a": value}, tmp_path / "x.pth")
    assert np.array_equal(read_pickle(tmp_path / "x.pth").weights["a"], value.to(torch.float64).numpy())


def test_views_and_parameters_are_read(tmp_path: Path) -> None:
    base = torch.randn(4, 6)
    values: dict[str, Any] = {
        "turned": base.T,
        "part": base[1:3, ::2],
        "parameter": torch.nn.Parameter(base),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
    }
    torch.save(values, tmp_path / "x.pth")
    read = read_pickle(tmp_path / "x.pth").weights
    assert all(np.array_equal(read[name], value.detach().numpy()) for name, value in values.items())


def test_a_training_checkpoint_gives_its_model(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.AdamW(module.parameters())
    notes = {"args": argparse.Namespace(resolution=576, output=Path("x")), "optimizer": optimizer.state_dict()}
    torch.save({"model": OrderedDict(module.state_dict()), "epoch": 3, **notes}, tmp_path / "x.pth")
    read = read_pickle(tmp_path / "x.pth")
    assert set(read.weights) == set(module.state_dict()) and read.notes["args"]["resolution"] == 576


def test_the_old_format_is_refused_by_name(tmp_path: Path) -> None:
    from inflare.models.architectures import UnsupportedCheckpoint

    torch.save({"a": torch.zeros(2)}, tmp_path / "x.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(UnsupportedCheckpoint, match=r"x\.pth"):
        read_pickle(tmp_path / "x.pth")
