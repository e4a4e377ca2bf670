#!/bin/sh
# Seeding numpy's global generator with a list of one number gives the very numbers of Python's random.seed(number).
#
# Python 3.11, numpy 2.4.6. Both are a Mersenne Twister initialised by an array of 32-bit words: Python splits a seed
# into its words, lowest first, numpy takes the list as it is. numpy.random.seed(number), without the list, initialises
# otherwise. So a program that seeds both "independently" from the words of one seed draws every number twice: a mask
# drawn from one and an augmentation drawn from the other are the same draw.
#
# Seen:
#   random.seed(7)             -> 0.32383276483316237
#   numpy.random.seed([7])     -> 0.32383276483316237
#   numpy.random.seed(7)       -> 0.07630828937395717
#   random.seed(123456789012)                          -> 0.37701448538609916
#   numpy.random.seed([words of 123456789012])         -> 0.37701448538609916
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import random

import numpy as np

random.seed(7)
np.random.seed([7])
alike = [(random.random(), np.random.random()) for _ in range(1000)]
assert all(one == other for one, other in alike), alike[:3]
np.random.seed(7)
assert np.random.random() != alike[0][0]
seed = 123456789012
random.seed(seed)
np.random.seed([seed & 0xFFFFFFFF, seed >> 32])
assert random.random() == np.random.random()
print("1000 numbers of Python and of numpy are the same, the first:", alike[0][0])
PYTHON
