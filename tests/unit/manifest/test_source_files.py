"""Texts and folders of experiment files."""

from pathlib import Path

import pytest

from support.experiment_texts import read_experiments, read_folder

TEXT = """\
key: {key}
name: Name
variants:
  - {{key: control, name: A}}
  - {{key: b, name: B}}
"""


def text_of(key: str) -> str:
    return TEXT.format(key=key)


def test_text__with_several_documents__gives_each_with_its_source_and_line() -> None:
    text = f"# the first\n{text_of('one')}---\n{text_of('two')}"
    specs, problems = read_experiments(text, "f.yaml")
    assert problems == ()
    assert [(spec.experiment.key, spec.file, spec.line) for spec in specs] == [
        ("one", "f.yaml", 2),
        ("two", "f.yaml", 8),
    ]
    assert "".join(spec.source for spec in specs) == text
    for spec in specs:
        (again,), _ = read_experiments(spec.source, "f.yaml")
        assert again.experiment == spec.experiment


def test_text__with_one_bad_document__gives_the_others_and_the_problem() -> None:
    text = f"{text_of('one')}---\n{text_of('Two')}---\n{text_of('three')}"
    specs, problems = read_experiments(text, "f.yaml")
    assert [spec.experiment.key for spec in specs] == ["one", "three"]
    assert list(map(str, problems)) == [
        'f.yaml:7: key: "Two": start with a lower-case letter, then up to 63 of a-z 0-9 _ -'
    ]


def test_text__with_a_duplicate_field__gives_no_experiment() -> None:
    specs, problems = read_experiments(f"{text_of('one')}name: Again\n", "f.yaml")
    assert specs == ()
    assert list(map(str, problems)) == ["f.yaml:6: name: stands twice, first on line 2; remove one"]


def test_text__with_one_key_twice__names_both_places() -> None:
    _, problems = read_experiments(f"{text_of('one')}---\n{text_of('one')}", "f.yaml")
    assert list(map(str, problems)) == [
        'f.yaml:7: key: "one": already the key of the experiment at f.yaml:1; give this one its own'
    ]


@pytest.mark.parametrize("text", ["hello", "- a", "3"])
def test_text__that_is_no_mapping__is_refused(text: str) -> None:
    specs, (problem,) = read_experiments(text, "f.yaml")
    assert specs == ()
    assert problem.message == "an experiment is a mapping of fields, the first of them `key: ...`"


def test_folder__with_files_in_folders__is_read_in_order_of_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    for name, key in [
        ("z.yml", "z"),
        ("a.YAML", "a"),
        ("b/c.yaml", "c"),
        (".git/x.yaml", "x"),
        (".hidden.yaml", "y"),
        ("read.me", "m"),
    ]:
        (tmp_path / name).write_text(text_of(key))
    (tmp_path / "linked").symlink_to(tmp_path / "b")
    specs, problems = read_folder(tmp_path)
    assert problems == ()
    assert [spec.experiment.key for spec in specs] == ["a", "c", "z"]
    assert [spec.file for spec in specs] == [
        str(tmp_path / name) for name in ("a.YAML", "b/c.yaml", "z.yml")
    ]


def test_folder__with_one_key_in_two_files__names_both(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(text_of("one"))
    _, problems = read_folder(tmp_path)
    assert list(map(str, problems)) == [
        (
            f'{tmp_path}/b.yaml:1: key: "one": already the key of the experiment at '
            f"{tmp_path}/a.yaml:1; give this one its own"
        )
    ]


def test_folder__with_one_key_twice_in_a_file__says_so_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{text_of('one')}---\n{text_of('one')}")
    _, problems = read_folder(tmp_path)
    assert len(problems) == 1


def test_folder__with_unreadable_files__names_them_all(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"key: a\nname: \xff\n")
    (tmp_path / "b.yaml").write_bytes(b"# " + b"x" * 1024 * 1024)
    (tmp_path / "c.yaml").symlink_to(tmp_path / "gone")
    (tmp_path / "d.yaml").write_text(text_of("d"))
    (tmp_path / "e.yaml").symlink_to("/proc/self/mem")  # a file that fails when it is read
    specs, problems = read_folder(tmp_path)
    assert [spec.experiment.key for spec in specs] == ["d"]
    assert list(map(str, problems)) == [
        f"{tmp_path}/a.yaml:2: not UTF-8; save the file as UTF-8",
        f"{tmp_path}/b.yaml:1: over 1 MiB of text; split the file",
        f"{tmp_path}/c.yaml:1: not a regular file, or a broken link; remove it",
        f"{tmp_path}/e.yaml:1: Input/output error; check the path and its permissions",
    ]


def test_file__in_place_of_a_folder__is_read_alone(tmp_path: Path) -> None:
    file = tmp_path / "one.txt"
    file.write_text(text_of("one"), "utf-8")
    (tmp_path / "other.yaml").write_text("wrong", "utf-8")
    specs, problems = read_folder(file)
    assert ([spec.experiment.key for spec in specs], problems) == (["one"], ())


def test_folder__that_is_not_there__is_a_problem(tmp_path: Path) -> None:
    assert read_folder(tmp_path) == ((), ())
    specs, (problem,) = read_folder(tmp_path / "gone")
    assert specs == ()
    assert str(problem) == (
        f"{tmp_path}/gone:1: No such file or directory; check the path and its permissions"
    )


def test_file__with_a_byte_order_mark__is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text_of("a"), encoding="utf-8-sig")
    (spec,), problems = read_folder(tmp_path)
    assert (spec.experiment.key, spec.line, problems) == ("a", 1, ())
