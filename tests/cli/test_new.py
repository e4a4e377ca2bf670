"""`new` writes a package that passes its own checks and tests, and refuses invalid names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ["pyproject.toml", "README.md", "my_model.py", "tests/test_my_model.py"]


def test_a_package_is_written_and_what_to_do_next_is_told(run_zoo, tmp_path: Path) -> None:
    done = run_zoo("new", "my-model")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [f"./my-model/{path}" for path in FILES]
    assert all((tmp_path / path).is_file() for path in done.stdout.splitlines())
    assert done.stderr.split("\n") == [
        "",
        "next:",
        "  zoo check ./my-model/my_model.py:MyModel",
        "  pytest ./my-model",
        "  pip install --no-deps -e ./my-model",
        "  zoo compare --models gru,my-model",
        "",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["my-model"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["my-model", "field"])
def test_its_own_tests_pass_as_they_stand(name: str, run_zoo, tmp_path: Path) -> None:
    assert run_zoo("new", name).returncode == 0
    tested = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "-q"],
        capture_output=True,
        text=True,
        cwd=tmp_path / name,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert tested.returncode == 0, tested.stdout
    assert " passed in " in tested.stdout.splitlines()[-1]
    assert "warning" not in tested.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("name", "model"), [("my-model", "my_model.py:MyModel"), ("field", "field.py:Field")])
def test_its_model_holds_the_contract_without_a_remark(name: str, model: str, run_process) -> None:
    assert run_process("new", name).returncode == 0
    checked = run_process("check", f"./{name}/{model}")
    assert checked.stdout.endswith("holds the contract.\n"), checked.stdout + checked.stderr
    assert "remark" not in checked.stdout


def test_the_class_and_the_module_have_names_that_python_takes(run_zoo, tmp_path: Path) -> None:
    assert run_zoo("new", "deep-net-2b").returncode == 0
    text = (tmp_path / "deep-net-2b" / "deep_net_2b.py").read_text()
    assert "\nclass DeepNet2b(SequenceModel):\n" in text
    compile(text, "deep_net_2b.py", "exec")
    assert 'deep-net-2b = "deep_net_2b:DeepNet2b"' in (tmp_path / "deep-net-2b" / "pyproject.toml").read_text()


def test_the_folder_that_it_goes_into_is_made_and_told(run_zoo, tmp_path: Path) -> None:
    done = run_zoo("new", "my-model", "--out", "of/my own")
    assert done.returncode == 0
    assert [(tmp_path / path).is_file() for path in done.stdout.splitlines()] == [True] * len(FILES)
    assert "zoo check 'of/my own/my-model/my_model.py:MyModel'" in done.stderr


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("My_Model", "digits, and dashes between them, a letter first. Did you mean 'my-model'?"),
        ("my model", "Did you mean 'my-model'?"),
        ("MyModel2", "Did you mean 'my-model2'?"),
        ("../my-model", "Did you mean 'my-model'?"),
        ("2d", "a letter first."),
        ("größe", "a letter first."),
        ("٣d", "a letter first."),
        ("", "a letter first."),
        ("a--b", "Did you mean 'a-b'?"),
        ("class", "it is a Python keyword"),
        ("none", "it is a Python keyword"),
        ("is-not\n", "Did you mean 'is-not'?"),
        ("test-model", "pytest would run it as a test, as it begins with 'test'"),
        ("gru", "a model of this name exists (built in)"),
        ("torch", "a Python module 'torch'"),
        ("zoo", "a Python module 'zoo'"),
        ("random", "a Python module 'random'"),
        ("python-dateutil", "a distribution 'python-dateutil' is installed"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_in_one_line_and_nothing_is_written(
    name: str, why: str, run_zoo, tmp_path: Path
) -> None:
    done = run_zoo("new", "--", name)
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["folder", "file", "link to nowhere"])
def test_nothing_is_overwritten(there: str, run_zoo, tmp_path: Path) -> None:
    path = tmp_path / "my-model"
    if there == "folder":
        path.mkdir()
    elif there == "file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")
    before = path.lstat()
    done = run_zoo("new", "my-model")
    assert done.returncode == 1
    assert done.stderr == "Error: './my-model' already exists: choose another name, or another folder (--out).\n"
    assert path.lstat() == before
    assert [path.name for path in tmp_path.iterdir()] == ["my-model"]


def test_nothing_remains_of_a_package_that_cannot_be_finished(
    run_zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def full(path: Path, *words: str, **options: str) -> int:
        if path.name.startswith("test_"):
            raise OSError(28, "No space left on device", str(path))
        return write(path, *words, **options)

    monkeypatch.setattr(Path, "write_text", full)
    done = run_zoo("new", "my-model")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: No space left on device")
    assert not list(tmp_path.iterdir())


def test_a_package_is_written_without_torch(run_process, tmp_path: Path) -> None:
    code = (
        "import sys, cli\n"
        "try:\n    cli.main()\n"
        "finally:\n    print(sorted({'torch', 'numpy', 'pydantic', 'scipy', 'rich'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "new", "my-model"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "my-model" / "my_model.py").is_file()
