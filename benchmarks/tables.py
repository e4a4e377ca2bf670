"""Markdown tables to print below pytest-benchmark's own: a benchmark makes one and adds rows while it runs."""

TABLES: list["Table"] = []
"""Every table, in the order of construction."""

UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))


class Table:
    """Rows of text under a title; all columns but the first are right-aligned."""

    def __init__(self, title: str, *columns: str) -> None:
        self.title = title
        self._columns = columns
        self._rows: list[tuple[str, ...]] = []
        TABLES.append(self)

    def add(self, *cells: str) -> None:
        self._rows.append(cells)

    def lines(self) -> list[str]:
        """The lines in Markdown; none without rows."""
        rows = [self._columns, *self._rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(self._columns))]
        padded = [
            [cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs)]
            for pairs in (list(zip(row, widths, strict=True)) for row in rows)
        ]
        rule = ["-" * (width - bool(column)) + ":" * bool(column) for column, width in enumerate(widths)]
        return [f"| {' | '.join(row)} |" for row in (padded[0], rule, *padded[1:])] if self._rows else []


class Pivot(Table):
    """A table with a row per model and a column per number, filled cell by cell."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._cells: dict[tuple[str, int], str] = {}

    def put(self, model: str, column: int, text: str) -> None:
        self._cells[model, column] = text

    def lines(self) -> list[str]:
        models, columns = sorted({key[0] for key in self._cells}), sorted({key[1] for key in self._cells})
        self._columns = ("model", *(f"{column:,}" for column in columns))
        self._rows = [(model, *(self._cells.get((model, column), "") for column in columns)) for model in models]
        return super().lines()


def duration(seconds: float) -> str:
    """Format seconds with three digits in s, ms or µs."""
    if seconds >= 1000:
        return f"{seconds:,.0f} s"
    unit, size = next((pair for pair in UNITS if seconds >= pair[1]), UNITS[-1])
    return f"{seconds / size:.3g} {unit}"


def met(reached: bool) -> str:
    """Words for a reached or missed target; a benchmark never fails on one."""
    return "met" if reached else "short of"
