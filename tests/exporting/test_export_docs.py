"""The lines of docs/export.md that load a run in plain torch work without the zoo."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import zoo

PAGE = Path(__file__).resolve().parents[2] / "docs" / "export.md"
PLACE = "runs/gru-on-names/gru-seed1-0123456789"


@pytest.mark.slow
def test_the_weights_of_a_run_load_in_plain_torch(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len([line for line in blocks[0].splitlines() if line]) == 10
    lines = "".join(blocks)
    assert PLACE in lines
    assert "zoo" not in lines
    run = zoo.train(
        "gru(hidden=8)", data="invented(documents=200)", steps=2, threads=1, out=tmp_path, report=False, progress=False
    )
    text = "".join((run.vocabulary.characters or "")[:2])
    own = lines.replace(PLACE, str(run.directory)).replace('"ma"', ascii(text))
    own += "import sys\nassert 'zoo' not in sys.modules\ntorch.save(logits, 'logits.pt')\n"
    done = subprocess.run([sys.executable, "-c", own], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tokens = torch.tensor([[0, *run.vocabulary.encode(text)]])
    assert torch.allclose(torch.load(tmp_path / "logits.pt"), run.model(tokens), atol=1e-6)
