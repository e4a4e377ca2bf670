import pytest

from zoo.calls import parse_assignment, parse_call, short_names, split_at_commas
from zoo.config import Call
from zoo.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("mlp", "mlp", {}),
        (" mlp ", "mlp", {}),
        ("mlp()", "mlp", {}),
        ("wavenet(hidden=128,embedding=24)", "wavenet", {"hidden": 128, "embedding": 24}),
        ("wavenet ( hidden = 128 , tree = true , )", "wavenet", {"hidden": 128, "tree": True}),
        ("./mine.py:Mine(width=8)", "./mine.py:Mine", {"width": 8}),
        ("dilated-wavenet(kernel=2)", "dilated-wavenet", {"kernel": 2}),
        ("x(a=(1,2),b=f(3,4))", "x", {"a": "(1,2)", "b": "f(3,4)"}),
        ("-", "-", {}),
    ],
)
def test_a_call_is_a_name_with_options(text: str, name: str, options: dict[str, object]) -> None:
    assert parse_call(text) == Call(name=name, options=options)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("3", 3),
        ("-3", -3),
        ("3.0", 3.0),
        ("1e-3", 1e-3),
        ("1_000", 1000),
        ("relu", "relu"),
        ("'3'", "3"),
        ('"a b"', "a b"),
        ("", ""),
        ("a=b", "a=b"),
        ("None", "None"),
        ("[1, 2]", "[1, 2]"),
        ("1 +", "1 +"),
        ("{[]: 1}", "{[]: 1}"),
    ],
)
def test_a_value_is_what_it_says_or_else_text(text: str, value: object) -> None:
    key, parsed = parse_assignment(f"key={text}")
    assert key == "key"
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "text", ["", " ", "()", "(a=1)", "mlp(", "mlp)", "mlp(a=1", "mlp(a=1))", "mlp(a=1)(b=2)", "mlp(a=1)x", "mlp((a=1)"]
)
def test_what_is_no_call_is_an_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_call(text)


@pytest.mark.parametrize("text", ["mlp(hidden)", "mlp(=3)", "mlp(2=3)", "mlp(a b=3)"])
def test_an_option_without_a_key_or_a_value_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not written as key=value"):
        parse_call(text)


def test_an_option_given_twice_is_an_error_that_names_it() -> None:
    with pytest.raises(UsageError, match="gives 'hidden' twice"):
        parse_call("mlp(hidden=1,hidden=2)")


def test_a_number_too_large_for_a_float_stays_text_for_the_model_to_refuse() -> None:
    assert parse_call("mlp(hidden=1e999)").options == {"hidden": "1e999"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        (" a , b(c=1,d=2) ,", ["a", "b(c=1,d=2)"]),
        (",,a", ["a"]),
        ("a(b(c,d),e),f", ["a(b(c,d),e)", "f"]),
    ],
)
def test_commas_inside_parentheses_separate_nothing(text: str, parts: list[str]) -> None:
    assert split_at_commas(text) == parts


@pytest.mark.parametrize("text", ["a(", "a)", "a)(", "a(b,c"])
def test_a_parenthesis_without_its_partner_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="unbalanced parentheses"):
        split_at_commas(text)


@pytest.mark.parametrize("text", ["mlp", "wavenet(hidden=128,tree=true)", "x(lr=0.001,name=relu)", "invented(seed=-1)"])
def test_a_call_is_printed_as_it_was_written(text: str) -> None:
    assert str(parse_call(text)) == text


@pytest.mark.parametrize(
    ("written", "called"),
    [
        (["gru", "./mine.py:Mine(width=8)"], ["gru", "Mine(width=8)"]),
        (["a (b)/mine.py:Mine", "./mine.py:Other"], ["Mine", "Other"]),
        (["./a.py:Mine", "./b.py:Mine"], ["./a.py:Mine", "./b.py:Mine"]),
        (["gru", "./mine.py:gru"], ["gru", "./mine.py:gru"]),
        (["./mine.py", "gru(hidden=8"], ["./mine.py", "gru(hidden=8"]),
    ],
)
def test_a_model_of_a_file_is_called_by_its_class_where_that_is_clear(written, called):
    assert short_names(written) == called


@pytest.mark.parametrize("value", ["9" * 5000, "0x" + "f" * 5000, "-0x" + "f" * 5000, "(" * 5000, "-" * 5000 + "1"])
def test_a_number_of_thousands_of_digits_stays_text_for_the_model_to_refuse(value: str) -> None:
    assert parse_assignment(f"hidden={value}") == ("hidden", value)


@pytest.mark.parametrize(
    "text", [" " * 100_000 + "b)", ",(" * 50_000, "a" + " " * 100_000 + "b(", ".py:" * 50_000 + "("]
)
def test_a_long_text_that_is_no_call_is_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_call(text)
    assert len(str(error.value)) < 200
