#!/bin/sh
# The text builder of datasets ends a line at a bare carriage return, streamed or not; a file object of Python with
# newline="\n", grep and wc do not. Other separators (form feed, U+2028, U+0085) stay inside of a line.
#
# Python 3.11, datasets 5.2.0. A text with progress bars or old logs, whose lines hold CR, has more rows than lines, and
# a row is no longer what stands between two LF. keep_linebreaks=True does not bring the CR back.
#
# Seen: "a\rb\nc\n" -> 3 rows a, b, c; with keep_linebreaks "a\n", "b\n", "c\n"; "a\fb" and "a\u2028b" are one row each.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/env/bin/python" - <<'PYTHON'
from pathlib import Path

from datasets import load_dataset

Path("x.txt").write_bytes("a\rb\nc\n".encode())
Path("y.txt").write_bytes("a\fb\na\u2028b\na\x85b\n".encode())


def rows(name, **options):
    return [[row["text"] for row in load_dataset("text", data_files=name, split="train", streaming=streaming, **options)]
            for streaming in (True, False)]


print(rows("x.txt"), rows("x.txt", keep_linebreaks=True), rows("y.txt"))
assert rows("x.txt") == [["a", "b", "c"]] * 2
assert rows("x.txt", keep_linebreaks=True) == [["a\n", "b\n", "c\n"]] * 2
assert rows("y.txt") == [["a\fb", "a\u2028b", "a\x85b"]] * 2
PYTHON
