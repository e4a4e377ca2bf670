"""`check`: the contract from the command line."""

import pytest

from zoo.conformance.contract import CHECKS

CHEATS = """
from torch import nn

from zoo import SequenceModel


class Both(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size, 12)
        self.both = nn.GRU(12, 12, batch_first=True, bidirectional=True)
        self.head = nn.Linear(24, vocab_size)

    def forward(self, tokens):
        return self.head(self.both(self.embedding(tokens))[0])
"""


def test_a_sound_model_holds_the_contract_and_the_table_fits_eighty_columns(run_zoo):
    done = run_zoo("check", "mlp(hidden=12)")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "mlp(hidden=12)  context 8, vocabulary 27"
    assert [line.split()[:2] for line in lines if line and line[0] != " "][1:-1] == [[name, "ok"] for name in CHECKS]
    assert any("remark: In training mode later tokens change earlier" in line for line in lines)
    assert lines[-1] == "mlp(hidden=12) holds the contract."
    assert max(map(len, lines)) <= 80


def test_a_model_that_looks_ahead_breaks_it_with_exit_code_1(run_zoo, tmp_path):
    (tmp_path / "mine.py").write_text(CHEATS)
    done = run_zoo("check", "./mine.py:Both")
    assert done.returncode == 1
    said = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line and line[0] != " "}
    assert said["causality"][0] == "FAILED"
    assert said["streaming"] == ["waits", "for", "causality"]
    assert done.stdout.splitlines()[-1] == "./mine.py:Both breaks the contract: causality; 5 more wait for it."
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_json_has_every_check_with_what_it_holds_and_what_it_found(run_zoo, zoo_json):
    document = zoo_json("check", "bigram", "--context", "4", "--vocab", "11")
    assert document["passed"]
    assert (document["context"], document["vocab_size"]) == (4, 11)
    assert [check["name"] for check in document["checks"]] == list(CHECKS)
    stacking = document["checks"][-1]
    assert stacking["findings"] == [{"kind": "information", "text": "Seeds can be stacked with vmap."}]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["check", "lsmt"], 2, "Did you mean 'lstm'?"),
        (["check", "wavenet(hiden=3)"], 2, "unknown option 'hiden'"),
        (["check", "wavenet", "--context", "6"], 2, "context 6 is no power of n=2"),
        (["check", "./absent.py:Mine"], 1, "No file 'absent.py'"),
    ],
)
def test_what_cannot_be_checked_is_one_line(run_zoo, words, code, message):
    done = run_zoo(*words)
    assert done.returncode == code
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert message in line
