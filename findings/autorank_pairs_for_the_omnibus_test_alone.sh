#!/bin/sh
# autorank compares models that are measured on the same datasets (or seeds), and then tells them apart as if each had its own.
#
# Python 3.11, autorank 1.3.0, statsmodels 0.15.0, scipy 1.17.1. Where the values of more than two models look normal with one variance, its
# omnibus test is the analysis of variance of repeated measures, which takes what a dataset has in common out of the
# comparison; the test of the pairs after it is Tukey's for independent groups, which does not. So datasets that differ from
# one another hide differences that every one of them shows, and the report says both.
# Who ranks models over datasets or seeds by its report calls a model as good as one that beats it every time.
#
# Seen: four models, 20 datasets whose losses scatter by 0.6, each model 0.1 worse than the one before on every dataset. Omnibus
# p = 6e-50; the report finds no significant difference within a, b, c, where a paired t-test of a and b has p = 3e-15.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  autorank==1.3.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 statsmodels==0.15.0
cd "$folder"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io

import numpy as np
import pandas as pd
from autorank import autorank, create_report
from scipy import stats

rng = np.random.default_rng(1)
datasets = rng.normal(size=(20, 1))
losses = 2 + datasets + 0.1 * np.arange(4) + 0.02 * rng.normal(size=(20, 4))
table = pd.DataFrame(losses, columns=list("abcd"))
found = autorank(table, alpha=0.05, verbose=False, order="ascending")
with contextlib.redirect_stdout(io.StringIO()) as text:
    create_report(found)
(groups,) = (line for line in text.getvalue().splitlines() if "no significant differences within" in line)
paired = stats.ttest_rel(table.a, table.b).pvalue
print(f"tests: {found.omnibus}, then {found.posthoc}; omnibus p = {found.pvalue:.0e}")
print(f"a is lower than b on {(table.a < table.b).sum()} of 20 datasets, paired t-test p = {paired:.0e}")
print(groups)
assert (found.omnibus, found.posthoc) == ("anova", "tukeyhsd")
assert found.pvalue < 1e-40 and paired < 1e-14 and (table.a < table.b).all()
assert "groups: a, b, and c; b, c, and d" in groups
PYTHON
