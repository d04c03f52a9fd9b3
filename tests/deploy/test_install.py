"""The installer: what it leaves out, what it refuses, and that it starts again."""

import re
from pathlib import Path

import pytest

from deploy import install

LOCK = """\
numpy==2.4.6 \\
    --hash=sha256:00
    # via torch
cuda-bindings==13.5.0 ; sys_platform == 'linux' \\
    --hash=sha256:11
nvidia-cublas==13.4.1.3 ; sys_platform == 'linux' \\
    --hash=sha256:22
torch==2.15.0 \\
    --hash=sha256:33
    # via scenesift (pyproject.toml)
torchmetrics==1.0 \\
    --hash=sha256:44
triton==3.9.0 \\
    --hash=sha256:55
"""


def environment(folder: Path, cuda: str) -> Path:
    """An environment with a torch of that `cuda` line."""
    torch = folder / "lib" / "python3.11" / "site-packages" / "torch"
    torch.mkdir(parents=True)
    (torch / "version.py").write_text(f"__version__ = '2.15.0'\n{cuda}\nhip = None\n")
    return folder


@pytest.mark.parametrize(
    ("cuda", "kept"),
    [("cuda: Optional[str] = None", True), ("cuda = None", True), ("cuda = '13.2'", False)],
)
def test_a_cpu_build_of_torch_is_recognised(tmp_path: Path, cuda: str, kept: bool) -> None:
    assert install.has_cpu_torch(environment(tmp_path, cuda)) is kept


def test_an_empty_environment_has_no_torch(tmp_path: Path) -> None:
    assert install.has_cpu_torch(tmp_path) is False


def test_with_a_cpu_torch_only_the_cuda_packages_are_left_out() -> None:
    kept = install.without_cuda(LOCK)
    assert re.findall(r"^(\S+)==", kept, re.MULTILINE) == ["numpy", "torchmetrics"]
    assert kept.count("--hash") == 2


def test_the_real_lock_loses_torch_and_keeps_the_rest() -> None:
    lock = install.LOCK.read_text()
    names = set(re.findall(r"^(\S+)==", lock, re.MULTILINE))
    kept = set(re.findall(r"^(\S+)==", install.without_cuda(lock), re.MULTILINE))
    assert {"torch", "triton", "cuda-toolkit", "nvidia-cublas"} <= names - kept
    assert {"numpy", "transformers", "faiss-cpu"} <= kept


def test_an_old_python_is_refused_in_one_line() -> None:
    with pytest.raises(install.InstallError, match=r"needs Python 3\.11 or newer and this is 3\.9"):
        install.check_python((3, 9))
