#!/bin/sh
# lm-evaluation-harness: a sample log's `perplexity` is a log likelihood, and its `word_perplexity` a pair of numbers.
#
# lm_eval 0.4.13. `--log_samples` writes the values that the metrics are aggregated from: for `perplexity` the log
# likelihood of the document, of which higher is better, though `higher_is_better` beside it says the opposite (of the
# aggregate); for `word_perplexity`, `byte_perplexity` and `bits_per_byte` the list [log likelihood, words or bytes]. Who
# compares two models by the means or the signs of logged "perplexities" finds the worse one better.
#
# Seen, a dummy model on six documents, perplexity 1.72 in the results:
#   six logged values of perplexity, all below 0; exp(-mean) of them is the perplexity of the results
#   "higher_is_better": {"perplexity": false}
#   word_perplexity of a document: [-0.96, 8]; exp(-sum / sum) is that of the results
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check lm_eval==0.4.13
cd "$folder"
mkdir tasks
for i in 0 1 2 3 4 5; do
  printf '{"text": "the sum of %s and 1 is", "answer": "%s"}\n' "$i" "$((i + 1))"
done > data.jsonl
write_task() {
  printf 'task: %s\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: %s/data.jsonl\ntest_split: test\n' "$1" "$folder"
  printf 'output_type: %s\ndoc_to_text: "%s"\ndoc_to_target: "%s"\nmetric_list:\n  - metric: %s\n' "$2" "$3" "$4" "$5"
}
write_task next_number loglikelihood '{{text}}' ' {{answer}}' perplexity > tasks/next.yaml
write_task whole_text loglikelihood_rolling '' '{{text}} {{answer}}' word_perplexity > tasks/whole.yaml
env/bin/lm_eval run --model dummy --tasks next_number,whole_text --include_path tasks --log_samples --output_path out > log 2>&1 ||
  { cat log; exit 1; }
env/bin/python - <<'PYTHON'
import json
import math
from pathlib import Path

(results,) = [json.loads(path.read_text()) for path in Path("out").rglob("results_*.json")]


def logged(task, metric):
    (path,) = Path("out").rglob(f"samples_{task}_*.jsonl")
    return [json.loads(line)[metric] for line in path.read_text().splitlines()]


alone, pairs = logged("next_number", "perplexity"), logged("whole_text", "word_perplexity")
assert len(alone) == 6 and all(value < 0 for value in alone), alone
told = results["results"]["next_number"]["perplexity,none"]
assert math.isclose(math.exp(-sum(alone) / 6), told), (alone, told)
assert results["higher_is_better"]["next_number"]["perplexity"] is False
assert all(len(pair) == 2 and pair[0] < 0 and pair[1] == 8 for pair in pairs), pairs
told = results["results"]["whole_text"]["word_perplexity,none"]
assert math.isclose(math.exp(-sum(p[0] for p in pairs) / sum(p[1] for p in pairs)), told), (pairs, told)
print("as described")
PYTHON
