"""Install the system's packages that the tests need, where this user may (stdlib only)."""

import os
import shutil
import subprocess
import sys

PACKAGES = {"mvn": "maven", "redis-server": "redis-server"}  # program -> Debian package


def main() -> int:
    """Install what is missing, or say in one line what to install; return the exit code."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not missing:
        return 0
    root = as_root()
    if root is None:
        print(f"note: some tests need more; as root run: apt-get install {' '.join(missing)}")
        return 0
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    apt += ["-o", "DPkg::Lock::Timeout=300"]
    subprocess.call([*apt, "update"])  # may fail in part and still serve
    return subprocess.call([*apt, "install", "--yes", "--no-install-recommends", *missing])


def as_root() -> list[str] | None:
    """The prefix with which a command runs as root, or None where there is none or no apt-get."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.call([sudo, "-n", "true"], stderr=subprocess.DEVNULL) == 0:
        return [sudo, "-n"]
    return None


if __name__ == "__main__":
    sys.exit(main())
