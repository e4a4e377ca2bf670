#!/bin/sh
# zensical build --strict ends with 0 though a page shows an image, and links a file, that do not exist.
#
# Python 3.11, zensical 0.0.73. A dead link to a page is counted and ends the strict build with 1; a dead image, a dead link
# to a file that is no page, and a navigation entry without a file are neither told nor counted. A documentation site that
# relies on --strict is published with holes.
#
# Seen: a dead image, a dead file and an absent page in the navigation -> exit code 0; a dead page -> exit code 1.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check zensical==0.0.73
cd "$folder"
mkdir docs
printf 'site_name: x\nnav:\n  - index.md\n  - Absent: absent.md\n' > mkdocs.yml
printf '# Title\n\n![a picture](absent.png) and [a file](absent.pdf)\n' > docs/index.md
code=0
env/bin/zensical build --strict > said.txt 2>&1 || code=$?
echo "image, file and navigation: exit code $code"
test "$code" = 0
printf '# Title\n\n[a page](absent.md)\n' > docs/index.md
code=0
env/bin/zensical build --strict > said.txt 2>&1 || code=$?
echo "page: exit code $code"
test "$code" = 1
