"""Listing names imports nothing; `get` imports one provider, and attributes its errors."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry import DuplicateNameError, Entry, ProviderError, Registry, UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
RAISES = "raise RuntimeError('imported')\n"

MakeRegistry = Callable[..., Registry[type]]


class Mine:
    """Something to register."""


@pytest.fixture(autouse=True)
def _forget_modules(tmp_path: Path) -> Iterator[None]:
    """Remove modules of the test's folder from `sys.modules` afterwards."""
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRegistry:
    """Make a registry of things from texts of modules, a built-in table, and entry points of `acme-things 2.1`."""

    def make(modules: dict[str, str], builtins: dict[str, str], points: dict[str, str] | None = None) -> Registry[type]:
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
        if points:
            metadata = tmp_path / "acme_things-2.1.dist-info"
            metadata.mkdir()
            (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-things\nVersion: 2.1\n")
            lines = [f"{name} = {value}" for name, value in points.items()]
            (metadata / "entry_points.txt").write_text("\n".join(["[test.things]", *lines, ""]))
        monkeypatch.syspath_prepend(tmp_path)
        return Registry(
            "thing",
            "test.things",
            builtins,
            lambda loaded: None if isinstance(loaded, type) else "is not a class",
        )

    return make


def test_what_is_installed_later_is_seen(make: MakeRegistry, tmp_path: Path) -> None:
    things = make({"mine": "class Thing: pass\n"}, {}, {"mine": "mine:Thing"})
    assert things.names() == ["mine"]
    metadata = tmp_path / "acme_things-2.1.dist-info"
    metadata.rename(tmp_path / "removed")
    assert things.names() == []
    (tmp_path / "removed").rename(metadata)
    assert things.get("mine").__name__ == "Thing"


def test_listing_imports_no_provider(make: MakeRegistry) -> None:
    things = make({"trap": RAISES}, {"inside": "trap:Thing"}, {"outside": "trap:Thing", "nowhere": "no_such:Thing"})
    assert things.names() == ["inside", "nowhere", "outside"]
    assert things.find("outside").target == "trap:Thing"
    assert "trap" not in sys.modules


def test_an_entry_says_who_claims_the_name(make: MakeRegistry) -> None:
    things = make({}, {"inside": "trap:Thing"}, {"outside": "trap:Other"})
    things.register("here")(Mine)
    origins = {entry.name: entry.origin for entry in things.entries()}
    assert origins == {"inside": "built in", "outside": "acme-things 2.1", "here": "registered here"}
    assert things.find("outside").owner == "acme-things 2.1 (entry point outside = trap:Other)"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*wave*", ["dilated-wavenet", "wavenet"]),
        ("?lp", ["mlp"]),
        ("[mw]*", ["mlp", "wavenet"]),
        ("mlp", ["mlp"]),
        ("MLP", []),
    ],
)
def test_names_are_filtered_as_a_shell_would(make: MakeRegistry, pattern: str, expected: list[str]) -> None:
    things = make({}, dict.fromkeys(["wavenet", "mlp", "dilated-wavenet"], "trap:Thing"))
    assert things.names(pattern) == expected


def test_get_imports_just_the_one_that_was_asked_for(make: MakeRegistry) -> None:
    things = make(
        {"good": "class Good: pass\n", "other": "class Other: pass\n"}, {"good": "good:Good", "other": "other:Other"}
    )
    assert things.get("good").__name__ == "Good"
    assert "good" in sys.modules
    assert "other" not in sys.modules


def test_a_broken_entry_point_harms_no_other(make: MakeRegistry) -> None:
    things = make({"good": "class Good: pass\n", "trap": RAISES}, {}, {"good": "good:Good", "bad": "trap:Bad"})
    with pytest.raises(ProviderError):
        things.get("bad")
    assert things.get("good").__name__ == "Good"


def test_an_unknown_name_lists_what_exists_and_the_nearest_spelling(make: MakeRegistry) -> None:
    things = make({"trap": RAISES}, dict.fromkeys(["bigram", "lstm", "mlp"], "trap:Thing"))
    with pytest.raises(UnknownNameError) as caught:
        things.get("lsmt")
    assert "Unknown thing 'lsmt'. Available: bigram, lstm, mlp. Did you mean 'lstm'?" in str(caught.value)


def test_an_unknown_name_like_no_other_gets_no_suggestion(make: MakeRegistry) -> None:
    with pytest.raises(UnknownNameError) as caught:
        make({}, {"bigram": "trap:Thing"}).get("xyz")
    assert "Did you mean" not in str(caught.value)


def test_a_name_claimed_twice_names_both_owners_and_harms_no_other(make: MakeRegistry) -> None:
    things = make({"good": "class Good: pass\n"}, {"one": "good:Good", "two": "good:Good"}, {"one": "theirs:One"})
    with pytest.raises(DuplicateNameError) as caught:
        things.get("one")
    assert "built in (good:Good)" in str(caught.value)
    assert "acme-things 2.1 (entry point one = theirs:One)" in str(caught.value)
    assert [entry.name for entry in things.entries()] == ["one", "one", "two"]
    assert things.names() == ["one", "two"]
    assert things.get("two").__name__ == "Good"


def test_a_registered_class_is_found_and_returned_unchanged() -> None:
    things: Registry[type] = Registry("thing", "test.things", {})
    assert things.register("mine")(Mine) is Mine
    assert things.get("mine") is Mine
    assert things.entries() == [Entry("mine", f"{__name__}:Mine", "registered here")]
    things.unregister("mine")
    assert things.names() == []


def test_registering_the_same_class_again_replaces_it() -> None:
    things: Registry[type] = Registry("thing", "test.things", {})

    def cell() -> type:
        return things.register("mine")(type("Again", (), {"__module__": __name__}))

    first, second = cell(), cell()
    assert first is not second
    assert things.get("mine") is second
    assert things.names() == ["mine"]


@pytest.mark.parametrize("owner", ["built in (good:Good)", "acme-things 2.1", "registered here"])
def test_registering_the_name_of_somebody_else_names_both_owners(make: MakeRegistry, owner: str) -> None:
    things = make({}, {"one": "good:Good"}, {"two": "theirs:Two"})
    things.register("three")(type("Three", (), {}))
    name = {"built in (good:Good)": "one", "acme-things 2.1": "two", "registered here": "three"}[owner]
    with pytest.raises(DuplicateNameError) as caught:
        things.register(name)(Mine)
    assert owner in str(caught.value)
    assert f"registered here ({__name__}:Mine)" in str(caught.value)


def test_registering_what_is_no_such_thing_is_refused(make: MakeRegistry) -> None:
    things = make({}, {})
    with pytest.raises(ProviderError, match="is not a class"):
        things.register("mine")(3)  # type: ignore[arg-type]
    assert things.names() == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Odd(BaseException): pass\nraise Odd('odd')", "Odd: odd"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def (", "SyntaxError"),
        ("", "AttributeError"),
        ("raise ValueError('first\\nsecond')", "ValueError: first"),
    ],
    ids=["exception", "system-exit", "base-exception", "missing-import", "syntax", "no-such-class", "two-lines"],
)
def test_a_provider_that_fails_is_reported_with_entry_point_and_distribution(
    make: MakeRegistry, text: str, reason: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        make({"trap": text}, {}, {"bad": "trap:Bad"}).get("bad")
    message = str(caught.value)
    assert "entry point bad = trap:Bad" in message
    assert "acme-things 2.1" in message
    assert reason in message
    assert "\n" not in message


def test_an_exception_that_cannot_be_printed_is_reported_too(make: MakeRegistry) -> None:
    text = "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute\n"
    with pytest.raises(ProviderError, match="Mute"):
        make({"trap": text}, {}, {"bad": "trap:Bad"}).get("bad")


def test_an_interrupt_during_an_import_passes_through(make: MakeRegistry) -> None:
    with pytest.raises(KeyboardInterrupt):
        make({"trap": "raise KeyboardInterrupt"}, {}, {"bad": "trap:Bad"}).get("bad")


def test_an_object_that_is_not_what_it_should_be_is_reported(make: MakeRegistry) -> None:
    with pytest.raises(ProviderError) as caught:
        make({"odd": "Thing = 3\n"}, {}, {"odd": "odd:Thing"}).get("odd")
    assert "acme-things 2.1 (entry point odd = odd:Thing) is not a class" in str(caught.value)


def test_the_registry_imports_only_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import registry, registry.check, registry.files\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "['registry']"
