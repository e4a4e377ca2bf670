#!/bin/sh
# Under torch.vmap autocast leaves convolutions in float32, and says nothing: half the precision of a stack of models is not half.
#
# Python 3.11, torch 2.13.0, CPU. Alone, a convolution under torch.autocast rounds its inputs to bfloat16 and returns
# bfloat16. Under vmap the same call computes in float32 and returns float32, with and without a bias, whether autocast is
# entered outside of the vmapped function or inside. Matrix products are rounded in both. So models trained side by side in a vmap
# (ensembles, per-sample gradients) are more exact than one model alone, save no memory there, and are no measure of what
# bfloat16 does to it; and a convolution whose input an earlier layer has rounded works alone and fails in a vmap.
#
# Seen (error against float64): conv1d alone bfloat16 4.7e-03, in vmap float32 8.6e-08; conv2d alike; matmul bfloat16 in both;
# an input of bfloat16: "Input type (c10::BFloat16) and bias type (float) should be the same"
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import torch
import torch.nn.functional as F

torch.manual_seed(0)
MODELS = 3
CALLS = {
    "conv1d": (F.conv1d, [(2, 8, 16), (4, 8, 3), (4,)]),
    "conv1d without bias": (F.conv1d, [(2, 8, 16), (4, 8, 3)]),
    "conv2d": (F.conv2d, [(2, 8, 9, 9), (4, 8, 3, 3), (4,)]),
    "conv_transpose2d": (F.conv_transpose2d, [(2, 8, 9, 9), (8, 4, 3, 3), (4,)]),
    "matmul": (torch.matmul, [(5, 64), (64, 7)]),
}


def half():
    return torch.autocast("cpu", dtype=torch.bfloat16)


for name, (function, shapes) in CALLS.items():

    def inside(*args, function=function):
        with half():
            return function(*args)

    inputs = [torch.randn(MODELS, *shape) for shape in shapes]
    exact = torch.stack([function(*(part[k].double() for part in inputs)) for k in range(MODELS)])
    with half():
        alone = torch.stack([function(*(part[k] for part in inputs)) for k in range(MODELS)])
        stacked = torch.vmap(function)(*inputs)
    found = {"alone": alone, "vmap": stacked, "entered inside": torch.vmap(inside)(*inputs)}
    errors = {way: ((own.double() - exact).abs().max() / exact.abs().max()).item() for way, own in found.items()}
    print(name, ", ".join(f"{way}: {own.dtype} {errors[way]:.1e}" for way, own in found.items()))
    assert alone.dtype == torch.bfloat16
    assert errors["alone"] > 5e-4
    for way in ("vmap", "entered inside"):
        if name == "matmul":
            assert found[way].dtype == torch.bfloat16
            assert errors[way] > 5e-4
        else:
            assert found[way].dtype == torch.float32
            assert errors[way] < 1e-6


def rounded(x, weight, bias):
    """As of a layer whose input an earlier one has rounded."""
    return F.conv1d(x.bfloat16(), weight, bias)


inputs = [torch.randn(MODELS, *shape) for shape in CALLS["conv1d"][1]]
with half():
    assert rounded(*(part[0] for part in inputs)).dtype == torch.bfloat16
    try:
        torch.vmap(rounded)(*inputs)
        raise SystemExit("a rounded input is no longer refused")
    except RuntimeError as error:
        print("an input of bfloat16:", error)
PYTHON
