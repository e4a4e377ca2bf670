"""Run a campaign: a number of faults, spread over cases, and a table per model."""

import argparse
import itertools
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.faults.broken import BROKEN
from tests.faults.cases import Case
from tests.faults.commands import get_ready

Try = Callable[[Case, Path, int, random.Random], tuple[Counter[str], list[str]]]
"""Case, folder, number of faults, random numbers -> counts, and differences."""


class Campaign(NamedTuple):
    """The faults of a campaign, what it counts beside them, and its cases."""

    what: str
    counts: tuple[str, ...]
    list_cases: Callable[[], Mapping[str, Case]]
    try_case: Try


def run_campaign(campaign: Campaign, description: str | None) -> None:
    """Run a campaign from the command line; the exit code is 1 where anything is unequal."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", type=int, help=f"how many {campaign.what}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", default="", help="only those whose name has this regular expression")
    parser.add_argument("--broken", choices=BROKEN, help="break the product before")
    given = parser.parse_args()
    get_ready()
    if given.broken:
        BROKEN[given.broken]()
    cases = [case for name, case in campaign.list_cases().items() if re.search(given.cases, name)]
    if not cases:
        parser.error(f"no case's name has {given.cases!r}")
    draw = random.Random(given.seed)
    each = [given.faults // len(cases)] * len(cases)
    for number in draw.sample(range(len(cases)), given.faults % len(cases)):
        each[number] += 1
    columns = (campaign.what, *campaign.counts)

    def print_row(name: str, row: Counter[str]) -> None:
        print(f"| {name} | {' | '.join(f'{row[column]:,}' for column in columns)} |", flush=True)

    print(f"| | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}", flush=True)
    total = Counter[str]()
    place = Path(tempfile.mkdtemp())
    for name, own in itertools.groupby(zip(cases, each, strict=True), lambda pair: pair[0].row):
        row = Counter[str]()
        for case, share in own:
            if not share:
                continue
            counted, unlike = campaign.try_case(case, place / case.name.replace("/", " "), share, draw)
            row += counted
            if unlike:
                print(f"{case.name}: {', '.join(unlike[:4])}", file=sys.stderr, flush=True)
                row["unequal"] = max(row["unequal"], 1)
        print_row(name, row)
        total += row
    print_row("all", total)
    shutil.rmtree(place)
    sys.exit(bool(total["unequal"]))
