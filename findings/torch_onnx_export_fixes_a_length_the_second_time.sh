#!/bin/sh
# torch.onnx.export of a GRU with a dynamic number of tokens fixes that number, silently, from the second export of a process on.
#
# Python 3.11, torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0. Both axes of the input are declared with
# `dynamic_shapes`. torch.export itself refuses the GRU ("you marked length as dynamic but your code specialized it"), and
# torch.onnx.export(dynamo=True) tries another way. Its first file takes any length, though it declares an output of 12 tokens;
# the second, of another module of the same class, takes 12 tokens alone, and no exception or warning says so. An export is
# therefore to be run at another length than it was traced with. A recurrence written as torch._higher_order_ops.scan, which
# becomes an ONNX Scan, has neither fault.
#
# Seen: "export 1: input ['batch', 'length', 4], output ['batch', 12, 8], 5 tokens: right"
#       "export 2: input ['batch', 12, 4], output ['batch', 12, 8], 5 tokens: refused"
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 onnx==1.23.2 onnxscript==0.7.2 \
  onnxruntime==1.32.0
cd "$folder"
cat > twice.py <<'PYTHON'
import sys
import warnings

import onnxruntime
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = torch.nn.GRU(4, 8, batch_first=True)

    def forward(self, x):
        return self.cells(x)[0]


def export(number):
    model = Net().eval()
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    example = (torch.randn(2, 12, 4),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(model, example, dynamo=True, verbose=False, dynamic_shapes=(sizes,))
    program.save("model.onnx")
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    x = torch.randn(3, 5, 4)
    try:
        (found,) = session.run(None, {given.name: x.numpy()})
        works = "right" if torch.allclose(torch.from_numpy(found), model(x), atol=1e-5) else "wrong"
    except Exception:
        works = "refused"
    print(f"export {number}: input {given.shape}, output {made.shape}, 5 tokens: {works}")
    return works


sys.exit([export(1), export(2)] != ["right", "refused"])
PYTHON
"$folder/env/bin/python" twice.py 2> errors || { cat errors; exit 1; }
