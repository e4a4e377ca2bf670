"""Any text for a model gives a call or one of our errors, and so does its description."""

from hypothesis import strategies as st

from registry import RegistryError
from tests.fuzz.generated import PLAIN, TEXT, generate
from zoo.calls import parse_assignment, parse_call, short_names, split_at_commas
from zoo.catalog import require_models
from zoo.errors import ZooError
from zoo.experiments.study.parse import read_flags

NAMES = st.sampled_from(["mlp", "wavenet", "./mine.py:Mine", "*", "mlp ", "(a).py:B", "absent.py", "gru\n"]) | TEXT
KEYS = st.sampled_from(["hidden", "embedding", "tree", "n", "lr", "steps", "data", "tokens", "tokens "]) | TEXT
VALUES = PLAIN.map(lambda value: "9" * 5000 if isinstance(value, int) and abs(value) > 10**300 else str(value)) | TEXT
OPTIONS = st.lists(st.builds("{}={}".format, KEYS, VALUES), max_size=4).map(",".join)
CALLS = st.builds("{}({})".format, NAMES, OPTIONS) | NAMES | st.text(alphabet="(),= .py:a1'\"[]{}\\", max_size=60)


@generate(CALLS, st.sampled_from([1, 1, 1, 100]))
def test_a_call_is_read_or_refused(text: str, times: int) -> None:
    text *= times
    for use in (
        lambda: str(parse_call(text)),
        lambda: parse_assignment(text),
        lambda: split_at_commas(text),
        lambda: short_names([text, text]),
        lambda: require_models([text]),
        lambda: read_flags({"assignments": [text]}),
    ):
        try:
            use()
        except (ZooError, RegistryError):
            continue
