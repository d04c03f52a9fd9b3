"""Sealed folders: written once, durable, digested, immutable. Bundles, batches and segments are.

A sealed folder holds `manifest.json`, which lists size and SHA-256 of every other file; the digest
of the folder is the SHA-256 of that manifest. It appears under its name in one rename, so a reader
sees all of it or nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"


class SealError(Exception):
    """A sealed folder is not what was sealed; the message says which file and how."""


def seal(directory: Path, description: Mapping[str, Any]) -> str:
    """Write the manifest over everything in `directory`, make it durable, return its digest."""
    files = {
        path.relative_to(directory).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": _durable_digest(path),
        }
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    content = _canonical({**description, "files": files})
    with (directory / MANIFEST).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    for folder in (directory, *(path for path in directory.rglob("*") if path.is_dir())):
        sync_folder(folder)
    return hashlib.sha256(content).hexdigest()


def publish(directory: Path, target: Path) -> None:
    """Move a sealed folder to its name in one step; a target that exists already is kept."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        directory.rename(target)
    except OSError:
        if not (target / MANIFEST).exists():
            raise
        shutil.rmtree(directory)
    sync_folder(target.parent)


def read_manifest(directory: Path, format_version: int) -> tuple[dict[str, Any], str]:
    """The manifest and the folder's digest, after a check of version, file names and sizes.

    Raises SealError; contents are only checked by `verify`.
    """
    try:
        content = (directory / MANIFEST).read_bytes()
    except OSError as error:
        raise SealError(f"{directory}: {MANIFEST} cannot be read ({error.strerror})") from error
    manifest, found = parse_manifest(content, str(directory), format_version)
    for name, facts in manifest["files"].items():
        try:
            size = (directory / name).stat().st_size
        except OSError as error:
            raise SealError(f"{directory}: {name} is missing") from error
        if size != facts["bytes"]:
            raise SealError(f"{directory}: {name} has {size} bytes, sealed with {facts['bytes']}")
    return manifest, found


def parse_manifest(content: bytes, where: str, format_version: int) -> tuple[dict[str, Any], str]:
    """The manifest that a file holds, and its digest; SealError, with `where`, when it is none."""
    try:
        manifest = json.loads(content)
        files, found = manifest["files"], manifest["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise SealError(f"{where}: {MANIFEST} is not a manifest") from error
    if not isinstance(files, dict):
        raise SealError(f"{where}: {MANIFEST} is not a manifest")
    if found != format_version:
        raise SealError(f"{where}: format {found}, but this version reads {format_version}")
    return manifest, hashlib.sha256(content).hexdigest()


def verify(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Check the SHA-256 of every file, and that no file was added; raises SealError."""
    listed = set(manifest["files"])
    present = {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}
    for extra in sorted(present - listed - {MANIFEST}):
        raise SealError(f"{directory}: {extra} does not belong there")
    for name, facts in manifest["files"].items():
        if digest(directory / name) != facts["sha256"]:
            raise SealError(f"{directory}: {name} was changed after it was sealed")


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _durable_digest(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False).encode()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
