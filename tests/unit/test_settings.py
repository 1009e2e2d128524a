"""Which layer wins, where the layers are found, and which files are left alone."""

import os
from pathlib import Path, PurePosixPath

import pytest

from engine.config import EngineConfig
from lsp_server import settings
from lsp_server.options import Options
from lsp_server.settings import Settings


def test_nothing_said_is_the_defaults():
    assert settings.resolve() == Settings()
    assert Settings().engine == EngineConfig()


def test_the_last_layer_that_says_something_wins():
    held = settings.resolve(Options(model="a", threads=2), Options(model="b"), Options(max_tokens=9))
    assert (held.engine.model, held.engine.threads, held.max_tokens) == ("b", 2, 9)


def test_false_and_zero_are_said():
    held = settings.resolve(Options(enabled=True, threads=4), Options(enabled=False, threads=0))
    assert (held.enabled, held.engine.threads) == (False, 0)


def test_language_switches_are_merged():
    held = settings.resolve(Options(languages={"go": False, "c": False}), Options(languages={"c": True}))
    assert not held.allows_language("go")
    assert held.allows_language("c")
    assert held.allows_language("python")


def test_a_star_switches_all_languages_not_named():
    held = settings.resolve(Options(languages={"*": False, "python": True}))
    assert held.allows_language("python")
    assert not held.allows_language("go")


@pytest.mark.parametrize(
    ("glob", "path", "excluded"),
    [
        ("*.gen.py", "src/a.gen.py", True),
        ("*.gen.py", "src/a.py", False),
        ("vendor", "src/vendor/x.c", True),
        ("vendor", "src/vendored/x.c", False),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "lib/src/a.py", False),
        ("**/build/**", "build/a.py", True),
        ("**/build/**", "x/build/y/a.py", True),
        ("**/build/**", "x/rebuild/a.py", False),
    ],
)
def test_exclude(glob, path, excluded):
    assert Settings(exclude=(glob,)).excludes(PurePosixPath(path)) is excluded


@pytest.fixture
def project(tmp_path: Path) -> Path:
    inner = tmp_path / "repository" / "src"
    inner.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    (tmp_path / "user.toml").write_text(
        'model = "user"\nthreads = 1\ncontext_tokens = 100\nmax_tokens = 11\n'
    )
    return inner


def load(project: Path, *extra: Options, **environ: str) -> Settings:
    user_file = str(project.parents[1] / "user.toml")
    return settings.load(project, {"UNMASK_CONFIG": user_file, **environ}, pytest.fail, *extra)


def test_user_then_project_then_environment_then_extra(project: Path):
    (project.parent / "unmask.toml").write_text('model = "fake:project"\nthreads = 2\ncontext_tokens = 200\n')
    held = load(project, Options(model="extra"), UNMASK_MODEL="environment", UNMASK_THREADS="3")
    assert held.engine == EngineConfig(model="extra", threads=3, context_tokens=200)
    assert held.max_tokens == 11


def test_the_nearest_project_file_is_the_one(project: Path):
    (project.parent / "unmask.toml").write_text('model = "fake:outer"\n')
    (project / "unmask.toml").write_text('model = "fake:inner"\n')
    assert load(project).engine.model == "fake:inner"
    assert load(project.parent, UNMASK_CONFIG=os.devnull).engine.model == "fake:outer"


def test_a_file_above_the_repository_is_not_the_projects(project: Path):
    (project.parents[1] / "unmask.toml").write_text('model = "somebody else"\n')
    assert load(project).engine.model == "user"


def test_a_project_cannot_choose_files_to_load(tmp_path: Path) -> None:
    (tmp_path / "unmask.toml").write_text(
        'model = "./planted"\ncache_dir = "/planted"\nbase_file = "/planted.gguf"\n'
        'sources = ["file"]\nthreads = 3\n'
    )
    said: list[str] = []
    held = settings.load(tmp_path, {"UNMASK_CONFIG": os.devnull}, said.append)
    assert held.engine == EngineConfig(threads=3)
    assert len(said) == 4
    for line, name in zip(said, ("base_file", "cache_dir", "model", "sources"), strict=True):
        assert name in line


def test_a_user_file_that_is_named_and_missing_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    settings.load(None, {"UNMASK_CONFIG": str(tmp_path / "none.toml")}, said.append)
    assert said == [f"UNMASK_CONFIG names {tmp_path / 'none.toml'}, which is not there; ignored."]


def test_a_folder_that_may_not_be_looked_into_ends_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", refuse)
    assert list(settings.project_files(tmp_path)) == [tmp_path / "unmask.toml"]
