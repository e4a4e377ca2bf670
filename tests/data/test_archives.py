import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.serving import Server
from zoo.catalog import CORPORA
from zoo.config import Call, DataConfig, as_json
from zoo.data import archives
from zoo.data.corpus import Corpus
from zoo.errors import DataError, UsageError

Load = Callable[..., Corpus]
TEXT = b" anarchism originated as a term of abuse first used against early working class radicals" * 20
XML = "<mediawiki>\n  <siteinfo>\n\n    <sitename>Wikipédia</sitename>\n".encode() * 40
TEXTS = {"text8": TEXT[:1000], "enwik8": XML[:2000]}


def pack(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return file.getvalue()


@pytest.fixture
def cache(publisher: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; text8 and enwik8 are short, published by a server, and count as large."""
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("zoo.data.load.LARGE", 100)
    for name, text in TEXTS.items():
        monkeypatch.setitem(archives.ARCHIVES, name, hashlib.sha256(text).hexdigest())
        monkeypatch.setitem(archives.URLS, name, publisher.url)
    publisher.behaviour.body = pack("text8", TEXTS["text8"])
    return tmp_path / "cache"


@pytest.mark.parametrize("name", TEXTS)
def test_a_published_text_has_the_split_and_unit_of_published_results(
    load: Load, cache: Path, publisher: Server, name: str
) -> None:
    publisher.behaviour.body = pack(name, TEXTS[name])
    corpus = load(name)
    size = len(TEXTS[name])
    assert corpus.name == name
    assert corpus.is_stream
    assert corpus.prepared
    assert [corpus.tokens[split].targets - 1 for split in ("train", "validation", "test")] == [
        size * 90 // 100, size * 5 // 100, size * 5 // 100,
    ]  # fmt: skip
    assert (corpus.vocabulary.characters is None) == (name == "enwik8")
    load(name)
    assert publisher.ranges == [""]
    assert {path.name for path in cache.iterdir()} == {"prepared", f"{name}.zip"}


def test_another_split_or_unit_can_be_asked_for(load: Load, cache: Path, publisher: Server) -> None:
    corpus = load("text8", split="80/10/10", tokens="bytes")
    assert corpus.tokens.train.targets - 1 == 800
    assert corpus.vocabulary.characters is None
    assert corpus.digest != load("text8").digest


def test_a_record_keeps_what_was_asked_for() -> None:
    for name, tokens in (("text8", "characters"), ("enwik8", "bytes")):
        usual = DataConfig(corpus=Call(name=name))
        assert (usual.split, usual.tokens) == ("90/5/5", tokens)
        assert "split" not in as_json(usual)
        for config in (usual, DataConfig(corpus=Call(name=name), split="80/10/10", tokens="characters")):
            assert DataConfig.model_validate(as_json(config)) == config
        assert DataConfig(corpus=name).split == DataConfig.model_validate({"corpus": {"name": name}}).split == "90/5/5"
    assert as_json(DataConfig(corpus="names", field="text")).keys() == as_json(DataConfig()).keys()
    assert as_json(DataConfig()).keys() == {"corpus", "documents", "tokens", "split_seed", "dedupe"}


def test_the_copy_of_zoo_data_is_taken_packed_or_not(
    load: Load, cache: Path, publisher: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    expected = load("text8").digest
    for name, content in (("text8.zip", pack("text8", TEXTS["text8"])), ("text8", TEXTS["text8"])):
        (tmp_path / name).write_bytes(content)
        assert load("text8").digest == expected
    assert len(publisher.ranges) == 1
    (tmp_path / "text8").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"/text8' is not the published text8: SHA-256 .*Remove it"):
        load("text8")


@pytest.mark.parametrize("copy", [b"", b"damaged", pack("text8", b"another text")])
def test_a_damaged_copy_in_the_cache_is_downloaded_again(
    load: Load, cache: Path, publisher: Server, copy: bytes
) -> None:
    cache.mkdir()
    (cache / "text8.zip").write_bytes(copy)
    assert load("text8").tokens.test.targets - 1 == 50
    assert publisher.ranges == [""]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>Log in to this network</html>", "This is not the published text8: Cannot unpack"),
        (pack("text8", TEXTS["text8"][:-1]), "is not the published text8: SHA-256 "),
        (pack("text8", TEXTS["text8"])[:-30], "This is not the published text8: Cannot unpack"),
    ],
)
def test_another_file_than_the_published_one_is_refused_and_not_kept(
    load: Load, cache: Path, publisher: Server, body: bytes, said: str
) -> None:
    publisher.behaviour.body = body
    with pytest.raises(DataError) as error:
        load("text8")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(cache.iterdir())


def test_a_download_that_breaks_off_says_what_to_do_and_goes_on(load: Load, cache: Path, publisher: Server) -> None:
    publisher.behaviour.break_after = [100, 0]
    with pytest.raises(DataError, match=r"100 bytes have been received.*Or put text8\.zip.*ZOO_DATA\.$"):
        load("text8")
    assert load("text8").tokens.test.targets - 1 == 50
    assert publisher.ranges == ["", "bytes=100-", "bytes=100-"]


@pytest.mark.parametrize("name", TEXTS)
def test_a_published_text_can_be_had_in_memory_too(load: Load, cache: Path, publisher: Server, name: str) -> None:
    publisher.behaviour.body = pack(name, TEXTS[name])
    source = CORPORA.get(name)()
    expected = TEXTS[name] if name == "enwik8" else TEXTS[name].decode()
    assert (source.name, source.text, source.is_stream) == (name, expected, True)
    with pytest.raises(UsageError, match="unknown option 'size'"):
        load(name, {"size": 3})


def test_several_splits_of_a_published_text_are_refused(load: Load, cache: Path, publisher: Server) -> None:
    with pytest.raises(DataError, match="several splits need a text that is held in memory"):
        load("text8", rotation="2/5")
