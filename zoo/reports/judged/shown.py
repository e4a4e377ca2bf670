"""Judged scores as Python and a notebook show them."""

from zoo.experiments.judge.judgement import Judged
from zoo.reports.console import capture
from zoo.reports.judged.console import print_judgements


class JudgedScores(Judged):
    """Judged scores, shown as the tables that `judge` prints."""

    def __repr__(self) -> str:
        return capture(lambda console: print_judgements(self.tasks, console), 80)

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        """Verdicts, tables and figures in a notebook."""
        from zoo.reports.notebook import render_judged

        return render_judged(self)
