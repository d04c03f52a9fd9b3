"""Settings: which source wins, and what is said of a bad value."""

import re
from pathlib import Path

import pytest

from scenesift.errors import SettingsError
from scenesift.settings import load_settings

USER = re.compile(r"//[^/@]*@")
"""In an address: it may hold a password, which is not repeated."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def test_an_option_wins_over_the_environment_over_the_file_over_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings(home=home).batch_size == 64
    (home / "settings.toml").write_text('batch_size = 8\nopensearch_prefix = "mine"\n')
    assert load_settings(home=home).batch_size == 8
    monkeypatch.setenv("SCENESIFT_BATCH_SIZE", "16")
    assert load_settings(home=home).batch_size == 16
    assert load_settings(home=home, batch_size=32).batch_size == 32
    assert load_settings(home=home).opensearch_prefix == "mine"


def test_the_home_is_an_option_or_a_variable_or_beside_us(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().home == Path("scenesift-home")
    monkeypatch.setenv("SCENESIFT_HOME", str(home))
    assert load_settings().home == home
    assert load_settings(home=Path("other")).home == Path("other")


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("SCENESIFT_BATCH_SIZE", "many", "give a whole number from 1 to 4096"),
        ("SCENESIFT_THREADS", "0", "give a whole number from 1 to 1024"),
        ("SCENESIFT_DEVICE", "toaster", "give auto, cpu, cuda or mps"),
        ("SCENESIFT_OPENSEARCH_URL", "localhost", "such as http://localhost:9200"),
        ("SCENESIFT_OPENSEARCH_URL", "http://a:9200,b", "such as http://localhost:9200"),
        ("SCENESIFT_OPENSEARCH_PREFIX", "Upper Case", "give small letters, digits and hyphens"),
        ("SCENESIFT_OPENSEARCH_VERIFY", "perhaps", "give true or false"),
        ("SCENESIFT_SERVE_SOURCES", "/srv/scenes", "such as https://files.example.org/scenes"),
        ("SCENESIFT_SERVE_SOURCES", "file:///srv", "such as https://files.example.org/scenes"),
        ("SCENESIFT_SERVE_SOURCES", "s3://a,https://me:pw@b", "addresses without user"),
        ("SCENESIFT_SERVE_SOURCES", "https://a/b?key=c", "addresses without user or query"),
    ],
)
def test_a_bad_variable_is_named_with_what_to_give(
    variable: str, value: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as refused:
        load_settings()
    assert USER.sub("//***@", value.split(",")[-1]) in str(refused.value)
    assert remedy in str(refused.value)


def test_a_bad_option_is_named() -> None:
    with pytest.raises(SettingsError, match="--batch-size"):
        load_settings(batch_size=0)


@pytest.mark.parametrize(
    "content", ['batch_size = "many"', "batch_size =", 'home = "x"', "bach_size = 3"]
)
def test_a_bad_file_is_named(home: Path, content: str) -> None:
    (home / "settings.toml").write_text(content)
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        load_settings(home=home)


def test_a_misspelt_variable_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_URI", "http://localhost:9200")
    with pytest.raises(SettingsError, match="did you mean opensearch_url"):
        load_settings()


def test_secrets_are_not_repeated(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "settings.toml").write_text("opensearch_password = 12345\n")
    with pytest.raises(SettingsError) as refused:
        load_settings(home=home)
    assert "12345" not in str(refused.value)
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_PASSWORD", "hush")
    assert "hush" not in repr(load_settings(home=home))


def test_a_password_in_an_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", "http://admin:hush@search:port")
    with pytest.raises(SettingsError, match=r"//\*\*\*@search") as refused:
        load_settings()
    assert "hush" not in str(refused.value)
