"""Write the report of a comparison: page, Markdown document, numbers, and figures."""

from pathlib import Path

from zoo.experiments.judge.comparison import Comparison
from zoo.reports.figures.draw import FIGURES as NAMES
from zoo.reports.figures.draw import draw, standalone
from zoo.reports.markdown import render_markdown
from zoo.whole_file import remove_unfinished, write_whole

FOLDER = "figures"


def write_report(comparison: Comparison, directory: Path) -> list[Path]:
    """Write report.html, report.md, comparison.json and figures/*.svg, each whole or not at all; return their paths.

    Removes figures that only an earlier report had, and unfinished files of killed commands.
    """
    from zoo.reports.page import render_page  # late import: training must not wait for jinja2

    drawn = {f"{FOLDER}/{name}.svg": standalone(markup) for name, markup in draw(comparison).items()}
    links = {Path(path).stem: path for path in drawn}
    texts = {
        "report.html": render_page(comparison),
        "report.md": render_markdown(comparison, links),
        "comparison.json": comparison.model_dump_json(indent=2) + "\n",
        **drawn,
    }
    (directory / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(directory / name, text)
    for name in NAMES:
        if name not in links:
            (directory / FOLDER / f"{name}.svg").unlink(missing_ok=True)
            remove_unfinished(directory / FOLDER / f"{name}.svg")
    return [directory / name for name in texts]
