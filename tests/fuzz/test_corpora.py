"""Any file gives a text with three splits and batches, or one of our errors."""

from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from tests.fuzz.generated import generate
from zoo.config import Call, DataConfig
from zoo.data.load import load_corpus
from zoo.errors import ZooError

LINES = st.lists(st.text(max_size=12) | st.text(alphabet="ab \r\t", max_size=12), max_size=40)
BREAKS = st.sampled_from(["\n", "\n", "\r\n", "\r", "\u2028", "\n\n"])
TEXTS = st.builds(lambda lines, end: end.join(lines).encode("utf-8", "surrogatepass"), LINES, BREAKS)
BYTES = (
    TEXTS
    | st.binary(max_size=200)
    | st.builds(lambda unit, times: unit * times, st.binary(max_size=3), st.integers(0, 5000))
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "documents": st.sampled_from(["auto", "line", "none"]),
        "tokens": st.sampled_from(["characters", "bytes"]),
        "split": st.sampled_from(["80/10/10", "90/10/0", "1/1/98", "98/1/1", "34/33/33"]),
        "rotation": st.sampled_from(["1/1", "2/3", "3/3", "5/10"]),
        "split_seed": st.integers(0, 2**63 - 1),
        "dedupe": st.booleans(),
    },
)


@generate(BYTES, SETTINGS, st.integers(1, 80))
def test_a_text_is_read_or_refused(tmp_path_factory: Any, data: bytes, given: dict[str, Any], length: int) -> None:
    path = tmp_path_factory.getbasetemp() / "corpus.txt"
    path.write_bytes(data)
    try:
        corpus = load_corpus(DataConfig(corpus=Call(name=str(path)), **given))
    except (ZooError, ValidationError):  # settings are validated where they are given
        return
    assert corpus.summary()
    assert corpus.digest
    for split in ("train", "validation", "test"):
        batch = corpus.rows(split, length=length).batch(0, 0, 3)
        assert batch.target_count > 0
