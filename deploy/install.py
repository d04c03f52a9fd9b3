"""Make `.venv` and install the lock into it: `python3 deploy/install.py` (stdlib only).

A build of torch without CUDA that is already in `.venv` is kept, and the CUDA packages are then
left out. A stamp, written last, makes a repeated call cheap and an interrupted one start again.
"""

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
OLDEST = (3, 11)
CUDA_ONLY = re.compile(r"^(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")


class InstallError(Exception):
    """What stands in the way and what to do, in one line."""


def main() -> int:
    """Install unless nothing has changed since the last time; return the exit code."""
    stamp = VENV / "installed"
    state = hashlib.sha256(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == state:
        return 0
    try:
        check_python(sys.version_info[:2])
        make_environment()
        install()
    except InstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    stamp.write_text(state)
    return 0


def check_python(version: "tuple[int, int]") -> None:
    """Refuse a Python that is too old."""
    if version < OLDEST:
        raise InstallError(
            "SceneSift needs Python 3.11 or newer and this is {}.{}: install one, then run make "
            "with PYTHON=python3.11, say".format(*version)
        )


def make_environment() -> None:
    """Make `.venv`, or mend one that has no working pip; one that works is left as it is."""
    has_pip = [str(PYTHON), "-c", "import pip"]
    if PYTHON.exists() and subprocess.call(has_pip, stderr=subprocess.DEVNULL) == 0:
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise InstallError(
            "Python's venv is not complete here: run `apt-get install python3-venv` as root, "
            "then again"
        )
    if subprocess.call([sys.executable, "-m", "venv", str(VENV)]) != 0:
        raise InstallError(f"{VENV} cannot be made: remove it, then run again")


def install() -> None:
    """Install the lock, then the project itself in place."""
    for info in VENV.glob("lib/python*/site-packages/*.dist-info"):
        if not (info / "RECORD").is_file():  # killed half-way: pip would take it for installed
            shutil.rmtree(info)
    lock = LOCK.read_text()
    if has_cpu_torch(VENV):
        print("Keeping the CPU build of torch in .venv")
        lock = without_cuda(lock)
    wanted = VENV / "requirements.txt"
    wanted.write_text(lock)
    pip("--require-hashes", "-r", str(wanted))
    pip("--no-build-isolation", "-e", str(ROOT))


def pip(*arguments: str) -> None:
    """`pip install` of exactly what is named."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
    if subprocess.call([*command, *arguments]) != 0:
        raise InstallError("pip failed (its reason is above): mend that, then run again")


def has_cpu_torch(venv: Path) -> bool:
    """Whether the environment holds a torch that was built without CUDA (read, not imported)."""
    found = venv.glob("lib/python*/site-packages/torch/version.py")
    return any(re.search(r"^cuda\b.*=\s*None", file.read_text(), re.MULTILINE) for file in found)


def without_cuda(lock: str) -> str:
    """The lock without torch and what only its CUDA build needs."""
    requirements = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
    return "".join(each for each in requirements if not CUDA_ONLY.match(each))


if __name__ == "__main__":
    sys.exit(main())
