"""Render the documentation page of all settings."""

from collections.abc import Sequence

from zoo.settings.setting import Setting

INTRO = """# Settings

Every setting of `train` and `compare` has one name: as a flag or by `--set NAME=VALUE` on the command line, as a
keyword of `zoo.train` and `zoo.compare` in [Python](python.md), and as a key of a [study file](studies.md). Give at
most one budget: steps, train_tokens, seconds or flops. `make settings` writes this page from the fields that declare
settings."""
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
KINDS = {int: "integer", float: "number", bool: "`true`, `false`"}


def render_page(settings: Sequence[Setting]) -> str:
    """The page as Markdown, with one table row per setting."""
    head = ["name", "flag", "in a study file", "values", "default", "meaning"]
    flagged = {setting.name for setting in settings if setting.flag}
    rows = [head, ["---"] * len(head), *(_make_row(setting, setting.name in flagged) for setting in settings)]
    return "\n".join([INTRO, "", *("| " + " | ".join(row) + " |" for row in rows), ""])


def _make_row(setting: Setting, flagged: bool) -> list[str]:
    flag = f"--{setting.name.replace('_', '-')}" if flagged else f"--set {setting.name}="
    key = f"[{setting.section}] {setting.key}" if setting.section else setting.key
    cells = [f"`{setting.name}`", f"`{flag}`", f"`{key}`", _describe_values(setting), _describe_default(setting)]
    return [cell.replace("|", r"\|") for cell in [*cells, setting.help]]


def _describe_values(setting: Setting) -> str:
    if setting.choices:
        return ", ".join(f"`{choice}`" for choice in setting.choices)
    if setting.type not in KINDS:
        return f"`{setting.flag.metavar}`" if setting.flag and setting.flag.metavar else "text"
    bounds = [f"{sign} {bound:,}" for name, sign in SIGNS.items() if (bound := setting.bound(name)) is not None]
    return ", ".join([KINDS[setting.type], *bounds])


def _describe_default(setting: Setting) -> str:
    if setting.default:
        return setting.default
    if isinstance(setting.value, bool):
        return str(setting.value).lower()
    return "" if setting.value is None or setting.value == () else str(setting.value)
