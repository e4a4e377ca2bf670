"""Hybrid: residual blocks with different mixers, in the order of a pattern.

`pattern=rg-lru/rg-lru/attention` has two blocks of RG-LRU and one of attention, again and again. Griffin (De et al.
2024) has local attention there, Jamba (Lieber et al. 2024) and Zamba (Glorioso et al. 2024) put attention between
blocks of Mamba. A mixer has the default options of its own model, but for those that all blocks share and the heads.
"""

from pkgutil import resolve_name
from typing import Any, ClassVar

from pydantic import Field, ValidationError, model_validator

from zoo.config import Recipe
from zoo.errors import describe_faults
from zoo.layers import LocalAttention
from zoo.layers.local_attention import check_heads
from zoo.layers.mixer import Mixer
from zoo.models.mixing import MixerModel, MixerOptions

MODELS = {
    "gla": "zoo.models.gla:GLA",
    "delta-net": "zoo.models.delta_net:DeltaNet",
    "mamba": "zoo.models.mamba:Mamba",
    "rg-lru": "zoo.models.rg_lru:RGLRU",
    "mlstm": "zoo.models.mlstm:MLSTM",
    "min-gru": "zoo.models.min_gru:MinGRU",
}
"""Name of a mixer -> the model whose mixer it is, imported when a pattern names it."""
ATTENTION = ("attention", "local-attention")
"""Names of attention to all positions and to those of a window."""


class Hybrid(MixerModel):
    """Different mixers in one model, by a pattern."""

    class Config(MixerOptions):
        channels: int = Field(28, ge=1, description="channels of the residual stream")
        pattern: str = Field(
            "rg-lru/rg-lru/local-attention",
            description=f"mixers of the blocks, repeated to the number of layers: {', '.join([*MODELS, *ATTENTION])}",
        )
        layers: int = Field(3, ge=1, description="number of blocks; if not given, as many as the pattern names")
        heads: int = Field(2, ge=1, description="heads of all mixers that have heads; divides channels")
        window: int = Field(32, ge=1, description="positions that local-attention sees")

        @model_validator(mode="before")
        @classmethod
        def _as_many_layers(cls, given: Any) -> Any:
            pattern = given.get("pattern") if isinstance(given, dict) else None
            return {"layers": len(pattern.split("/")), **given} if isinstance(pattern, str) else given

        @model_validator(mode="after")
        def _pattern_fits(self) -> "Hybrid.Config":
            names = self.pattern.split("/")
            if unknown := [name for name in names if name not in (*MODELS, *ATTENTION)]:
                known = ", ".join([*MODELS, *ATTENTION])
                raise ValueError(f"no mixer is named '{unknown[0]}' (pattern={self.pattern}); known are {known}")
            if len(names) > self.layers:
                raise ValueError(f"pattern={self.pattern} names {len(names)} mixers for layers (={self.layers}) blocks")
            for option in ("heads", "window"):
                if getattr(self, option) != type(self).model_fields[option].default and not _uses(names, option):
                    raise ValueError(f"no mixer of pattern={self.pattern} has the option {option}")
            for name in dict.fromkeys(names):
                try:
                    _own_options(name, self)
                except ValidationError as error:
                    raise ValueError(f"{name}: {describe_faults(error)}") from None
            return self

    recipe = Recipe(lr=2e-2, weight_decay=0.1, warmup=0.05, targets=1_000_000)
    other_recipes = (Recipe(optimizer="muon", lr=1.1e-2, weight_decay=0.018, warmup=0.29, targets=1_000_000),)
    paper: ClassVar[str] = (
        "De et al. 2024, Griffin: Mixing Gated Linear Recurrences with Local Attention for Efficient Language Models"
    )

    @classmethod
    def make_mixer(cls, options: Any, layer: int) -> Mixer:
        names = options.pattern.split("/")
        name = names[layer % len(names)]
        if name in ATTENTION:
            window = options.window if name == "local-attention" else None
            return LocalAttention(options.channels, heads=options.heads, window=window, out_gain=options.out_gain)
        mixer: Mixer = resolve_name(MODELS[name]).make_mixer(_own_options(name, options), layer)
        return mixer

    @property
    def receptive_field(self) -> int | None:
        """With local attention alone each block looks as far as its window."""
        alone = set(self.config.pattern.split("/")) == {"local-attention"}
        return self.config.layers * (self.config.window - 1) + 1 if alone else None

    @property
    def bounded_state(self) -> bool:
        return "attention" not in self.config.pattern.split("/")


def _uses(names: list[str], option: str) -> bool:
    """Whether a mixer of these names has the option heads or window."""
    if option == "window":
        return "local-attention" in names
    return any(name in ATTENTION or option in resolve_name(MODELS[name]).Config.model_fields for name in names)


def _own_options(name: str, options: Any) -> Any:
    """The options of a mixer's model: what all blocks share and the heads are those of the hybrid.

    Raises:
        ValueError: it refuses them.
    """
    if name in ATTENTION:
        return check_heads(options.channels, options.heads)
    kind = resolve_name(MODELS[name])
    shared = [*MixerOptions.model_fields, *(["heads"] if "heads" in kind.Config.model_fields else [])]
    return kind.Config(**{option: getattr(options, option) for option in shared})
