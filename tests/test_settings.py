"""Settings come from the environment alone, and a wrong one stops the start with a line that names it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from settings import DocsAccess, LogFormat, Settings, SettingsError, load

ROOT = Path(__file__).parent.parent
SECRET = {"SECRET_KEY": "s" * 32}
EXAMPLE = (ROOT / ".env.example").read_text()
EXAMPLE_VALUES = dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))


def start(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command sees that imports the settings."""
    return subprocess.run(
        [sys.executable, "-c", "import settings"],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("word", ["1", "true", "TRUE", "yes", "On", " true "])
def test_words_of_consent_are_true(word: str):
    assert load({**SECRET, "PUBLIC_CATALOG": word}).public_catalog is True


@pytest.mark.parametrize("word", ["0", "false", "False", "no", "OFF"])
def test_words_of_refusal_are_false(word: str):
    assert load({**SECRET, "STAFF_CAN_EDIT_PRODUCTS": word}).staff_can_edit_products is False


@pytest.mark.parametrize("word", ["maybe", "2", "y", "truee", "None"])
def test_any_other_word_is_refused(word: str):
    with pytest.raises(SettingsError, match="PUBLIC_CATALOG"):
        load({**SECRET, "PUBLIC_CATALOG": word})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "80.5"),
        ("DATABASE_POOL_SIZE", "ten"),
        ("MAX_UPLOAD_MB", "10 MB"),
        ("DOCS_ACCESS", "secret"),
        ("LOG_FORMAT", "xml"),
        ("DEFAULT_CURRENCY", "euro"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy.example"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "10"),
    ],
)
def test_a_wrong_value_names_its_setting(name: str, value: str):
    with pytest.raises(SettingsError, match=f"^{name} has a wrong value"):
        load({**SECRET, name: value})


def test_a_wrong_value_stops_the_start_with_one_line(tmp_path: Path):
    ended = start(tmp_path, DEBUG="maybe", **SECRET)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == ["stockroom: DEBUG has a wrong value: 'maybe' is neither true nor false"]


def test_a_secret_is_never_shown(tmp_path: Path):
    ended = start(tmp_path, SECRET_KEY="hunter2")
    assert ended.returncode == 1
    assert "hunter2" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("secret", ["", "short", "s" * 31])
def test_outside_development_a_long_secret_must_be_given(secret: str):
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        load({"SECRET_KEY": secret})


def test_in_development_a_secret_is_made_once_for_each_data_directory(tmp_path: Path):
    first, again = (load({"DEBUG": "true", "DATA_DIR": str(tmp_path / "a")}).secret_key for _ in range(2))
    other = load({"DEBUG": "true", "DATA_DIR": str(tmp_path / "b")}).secret_key
    assert first == again != other
    assert len(first) >= 32
    assert (tmp_path / "a" / "secret-key").stat().st_mode & 0o077 == 0


def test_no_setting_but_debug_has_a_secret_by_default():
    assert not [name for name, value in msgspec.structs.asdict(Settings()).items() if value and "secret" in name]
    assert Settings().admin_password == ""
    assert Settings().debug is False


def test_lists_are_cut_at_commas():
    settings = load({**SECRET, "ALLOWED_HOSTS": " a.example, .b.example ,,", "CORS_ALLOWED_ORIGINS": "*"})
    assert settings.allowed_hosts == ["a.example", ".b.example"]
    assert settings.cors_allowed_origins == ["*"]


def test_trusted_proxies_are_addresses_networks_or_unix():
    trusted = load({**SECRET, "TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1,fd00::/8,unix"}).trusted_proxies
    assert trusted == ["10.0.0.0/8", "192.0.2.1", "fd00::/8", "unix"]


def test_an_empty_value_is_the_default():
    assert load({**SECRET, "PORT": "", "ALLOWED_HOSTS": "", "DOCS_ACCESS": ""}) == load(SECRET)


def test_the_environment_goes_before_the_file(tmp_path: Path):
    (tmp_path / ".env").write_text("PORT=wrong\nDEBUG=maybe\n")
    assert "PORT" in start(tmp_path, DEBUG="false", **SECRET).stderr
    assert start(tmp_path, DEBUG="false", PORT="80", **SECRET).returncode == 0


def test_the_example_lists_exactly_the_settings():
    fields = [field.name.upper() for field in msgspec.structs.fields(Settings)]
    assert sorted(EXAMPLE_VALUES) == sorted(fields)


def test_the_example_works_as_it_is_and_holds_no_secret(tmp_path: Path):
    settings = load({**EXAMPLE_VALUES, "DATA_DIR": str(tmp_path)})
    defaults = msgspec.structs.replace(Settings(), debug=True, data_dir=tmp_path, secret_key=settings.secret_key)
    assert settings == defaults
    assert EXAMPLE_VALUES["SECRET_KEY"] == EXAMPLE_VALUES["ADMIN_PASSWORD"] == ""


def test_the_example_explains_every_setting():
    blocks = [block for block in EXAMPLE.split("\n\n") if re.search(r"^[A-Z_]+=", block, re.MULTILINE)]
    assert not [block for block in blocks if not block.startswith("# ")]


def test_choices_are_closed_lists():
    assert load({**SECRET, "DOCS_ACCESS": "off"}).docs_access is DocsAccess.OFF
    assert load({**SECRET, "LOG_FORMAT": "json"}).log_format is LogFormat.JSON


@pytest.mark.parametrize("path", ["admin", "/", "/a/b/", "/api", "/auth/", "//evil", "/Admin/"])
def test_the_admin_site_cannot_stand_just_anywhere(path: str):
    with pytest.raises(SettingsError, match="ADMIN_PATH"):
        load({**SECRET, "ADMIN_PATH": path})


@pytest.mark.parametrize("path", ["/admin", "/backstage/", "/back-office"])
def test_the_admin_site_can_stand_elsewhere(path: str):
    assert load({**SECRET, "ADMIN_PATH": path}).admin_path == path
