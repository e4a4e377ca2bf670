"""Colours of page and figures, light and dark, with twelve for models that colour-blind readers can tell apart."""

from zoo.experiments.judge.comparison import Comparison

LIGHT = {"paper": "#ffffff", "ink": "#1c1d20", "soft": "#5d6067", "rule": "#dfe0e2", "grid": "#ececee",
         "link": "#0a5fa8", "better": "#d5ece6", "worse": "#fae0d0",
         "equal": "#e3e4f6"}  # fmt: skip
DARK = {"paper": "#141517", "ink": "#e6e6e4", "soft": "#a2a5ab", "rule": "#34363a", "grid": "#26282b",
        "link": "#7fbcf0", "better": "#173d36", "worse": "#4a2a18",
        "equal": "#2a2c4c"}  # fmt: skip
MODELS_LIGHT = ("#5073f1", "#aa611c", "#286e76", "#c67ca0", "#9a9554", "#5f38b8",
                "#199cdc", "#7c1178", "#24885c", "#8567a6", "#605700", "#055746")  # fmt: skip
MODELS_DARK = ("#8b90f5", "#eb7f04", "#6fd2a9", "#d8bfec", "#aed642", "#9b67f1",
               "#62b5f4", "#d96dc3", "#98bd7b", "#dd92e2", "#bfb913", "#69945b")  # fmt: skip


def variables(*, dark: bool) -> dict[str, str]:
    """Name -> colour of the light or the dark scheme."""
    names, models = (DARK, MODELS_DARK) if dark else (LIGHT, MODELS_LIGHT)
    return names | {f"m{index}": colour for index, colour in enumerate(models)}


def both_variables() -> str:
    """CSS declarations of both schemes, selected by `color-scheme`."""
    light, dark = variables(dark=False), variables(dark=True)
    return "".join(f"--{name}:light-dark({light[name]},{dark[name]});" for name in light)


def plain_variables(*, dark: bool) -> str:
    """CSS declarations of one scheme."""
    return "".join(f"--{name}:{colour};" for name, colour in variables(dark=dark).items())


def model_rules() -> str:
    """CSS rules of the models' colours: the class `m3` sets `--of`."""
    return "".join(f".m{index}{{--of:var(--m{index})}}" for index in range(len(MODELS_LIGHT)))


def colour_class(comparison: Comparison, label: str) -> str:
    """CSS class of a model's colour, by its place in the study, not by its result; from the thirteenth on dashed."""
    labels = [contestant.label for contestant in comparison.study.models]
    labels += [model.label for model in comparison.models if model.label not in labels]
    place = labels.index(label)
    return f"m{place % len(MODELS_LIGHT)}{' again' if place >= len(MODELS_LIGHT) else ''}"
