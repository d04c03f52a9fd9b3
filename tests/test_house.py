"""The house rules that no linter knows."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOLING = {"deploy", "tests", "benchmarks", "examples"}
PACKAGES = sorted({p.parent.name for p in ROOT.glob("*/__init__.py")} - TOOLING)
# Spelt in two halves, so that this file does not name them either.
REGISTRY_HOSTS = [
    name + domain
    for name, domain in [
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("download.pytorch", ".org"),
        ("repo.maven.apache", ".org"),
        ("repo1.maven", ".org"),
        ("registry.npmjs", ".org"),
        ("conda.anaconda", ".org"),
    ]
]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_installed_package_shadows_ours(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin == str(ROOT / package / "__init__.py")


def test_every_package_is_built_and_held_by_the_import_contracts() -> None:
    linter = PROJECT["tool"]["importlinter"]
    layers = next(c["layers"] for c in linter["contracts"] if c["type"] == "layers")
    assert sorted(linter["root_packages"]) == PACKAGES
    assert sorted(re.findall(r"\w+", " ".join(layers))) == PACKAGES
    assert set(PACKAGES) <= set(PROJECT["tool"]["setuptools"]["packages"]["find"]["include"])


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_of_users_are_told_that_a_package_has_types(package: str) -> None:
    assert (ROOT / package / "py.typed").read_bytes() == b""
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["*"]


def test_only_the_settings_read_the_environment() -> None:
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    readers = {str(path.relative_to(ROOT)) for path in modules if reads_environment(path)}
    assert readers <= {"scenesift/settings.py"}


def reads_environment(path: Path) -> bool:
    """Whether a module names os.environ or os.getenv, by attribute or by import."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            return any(alias.name in {"environ", "getenv"} for alias in node.names)
    return False


def test_the_lock_pins_every_requirement_exactly_and_by_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    requirements = [each for each in re.split(r"^(?=\w)", lock, flags=re.MULTILINE) if each]
    assert len(requirements) > 50
    for requirement in requirements:
        assert re.match(
            r"[\w.-]+==[\w.+!-]+( ;.*)? \\\n    --hash=sha256:[0-9a-f]{64}", requirement
        )


def test_no_file_names_a_package_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    assert len(files) > 10
    naming = [
        str(path.relative_to(ROOT))
        for path in files
        if path.is_file() and any(host.encode() in path.read_bytes() for host in REGISTRY_HOSTS)
    ]
    assert naming == []


@pytest.mark.parametrize(("ci", "passes"), [("true", False), ("", True)])
@pytest.mark.parametrize(
    "skip",
    [
        "def test(): pytest.skip('no reason')",
        "@pytest.mark.skip(reason='lazy')\ndef test(): pass",
        "pytest.importorskip('no_such_module')\ndef test(): pass",
    ],
)
def test_a_skip_fails_in_ci_only(tmp_path: Path, skip: str, ci: str, passes: bool) -> None:
    (tmp_path / "test_skip.py").write_text(f"import pytest\n{skip}\ndef test_runs(): pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", os.devnull]
    run = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
    )
    assert ("failed" not in run.stdout and "error" not in run.stdout) is passes, run.stdout
    if not passes:
        assert run.returncode != 0
        assert "skipped, which CI forbids" in run.stdout
