"""Settings: a command's options, then SCENESIFT_* variables, then HOME/settings.toml, then these.

The environment is read here and nowhere else.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AnyHttpUrl, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from scenesift.errors import SettingsError

PREFIX = "SCENESIFT_"
FILE = "settings.toml"
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_USER_INFO = re.compile(r"//[^/@]*@")
DEFAULT_HOME = Path("scenesift-home")


@dataclass(frozen=True)
class Give:
    """What to give for a setting, said where something else was given."""

    what: str


def _between_commas(value: Any) -> Any:
    """What stands between commas, one by one."""
    return [each.strip() for each in value.split(",")] if isinstance(value, str) else value


class Settings(BaseSettings):
    """Where the archive is and with what it works."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    home: Annotated[Path, Field(description="The folder that holds the archive.")] = DEFAULT_HOME
    store: Annotated[
        str | None,
        Field(
            pattern=r"^(file:///.*|(s3|gs|az)://[^/].*|[^:]+|[^:]:[^/].*)$",
            description="Folder or bucket that machines share; the home when not given.",
        ),
        Give("a folder, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"),
    ] = None
    store_endpoint: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^/]+.*$",
            description="Address of the bucket's service, where it is not the cloud's own.",
        ),
        Give("a whole address, such as https://minio.example:9000"),
    ] = None
    store_region: Annotated[str | None, Field(description="Region of an S3 bucket.")] = None
    cache: Annotated[
        Path | None,
        Field(description="Folder for what is read from a bucket; HOME/cache when not given."),
    ] = None
    cache_bytes: Annotated[
        int,
        Field(ge=1 << 24, description="Bytes that it may grow to."),
        Give("a whole number of bytes, 16777216 or more"),
    ] = 10 << 30
    model: Annotated[
        str | None,
        Field(description="Folder or name of a dual encoder; the bundled model when not given."),
    ] = None
    device: Annotated[
        str,
        Field(pattern=r"^(auto|cpu|cuda|mps)$", description="Where the model runs."),
        Give("auto, cpu, cuda or mps"),
    ] = "auto"
    batch_size: Annotated[
        int,
        Field(ge=1, le=4096, description="Images that are encoded at once."),
        Give("a whole number from 1 to 4096"),
    ] = 64
    threads: Annotated[
        int | None,
        Field(ge=1, le=1024, description="Threads of the encoder; all when not given."),
        Give("a whole number from 1 to 1024"),
    ] = None
    opensearch_url: Annotated[
        tuple[AnyHttpUrl, ...] | None,
        NoDecode,
        BeforeValidator(_between_commas),
        Field(
            description="OpenSearch nodes of one cluster, commas between them; "
            "the embedded engine when not given."
        ),
        Give("whole addresses, such as http://localhost:9200"),
    ] = None
    opensearch_prefix: Annotated[
        str,
        Field(pattern=r"^[a-z][a-z0-9-]*$", description="Start of its indices' names."),
        Give("small letters, digits and hyphens, a letter first"),
    ] = "scenesift"
    opensearch_user: Annotated[str | None, Field(description="User of basic authentication.")] = (
        None
    )
    opensearch_password: Annotated[SecretStr | None, Field(description="Its password.")] = None
    opensearch_authorization: Annotated[
        SecretStr | None, Field(description="A whole Authorization header, in place of a user.")
    ] = None
    opensearch_aws_region: Annotated[
        str | None,
        Field(
            description="Sign requests for a domain of AWS in this region, in place of a user, "
            "with the credentials that botocore finds."
        ),
    ] = None
    opensearch_ca: Annotated[
        Path | None, Field(description="File of the certificate authorities to trust.")
    ] = None
    opensearch_client_cert: Annotated[
        Path | None, Field(description="File of the certificate that we show.")
    ] = None
    opensearch_client_key: Annotated[
        Path | None, Field(description="File of its key, unless that is in the same file.")
    ] = None
    opensearch_verify: Annotated[
        bool, Field(description="Whether the node's certificate is checked."), Give("true or false")
    ] = True
    opensearch_search_timeout: Annotated[
        float,
        Field(ge=0.1, le=30, description="A node that is silent so long is passed over."),
        Give("a number of seconds from 0.1 to 30"),
    ] = 10.0
    opensearch_shards: Annotated[
        int,
        Field(ge=1, le=1024, description="Shards of an index that is made."),
        Give("a whole number from 1 to 1024"),
    ] = 1
    opensearch_replicas: Annotated[
        int,
        Field(ge=0, le=10, description="Replicas of an index once it is live."),
        Give("a whole number from 0 to 10"),
    ] = 1

    redis_url: Annotated[
        str | None,
        Field(
            pattern=r"^(redis|rediss)://.+$|^unix://.+$",
            description="The Redis that workers get their messages through.",
        ),
        Give("a whole address, such as redis://localhost:6379/0"),
    ] = None
    stall_seconds: Annotated[
        float,
        Field(ge=1, le=86_400, description="A worker that stands still so long counts as dead."),
        Give("a number of seconds from 1 to 86400"),
    ] = 60.0

    search_sample: Annotated[
        float,
        Field(ge=0, le=1, description="Share of searches kept for `calibrate --replay`."),
        Give("a share from 0 to 1"),
    ] = 0.1

    serve_threads: Annotated[
        int,
        Field(ge=1, le=256, description="Requests that a process of the service works on at once."),
        Give("a whole number from 1 to 256"),
    ] = 8
    serve_waiting: Annotated[
        int,
        Field(ge=0, le=10_000, description="Requests that may wait in it; others get status 429."),
        Give("a whole number from 0 to 10000"),
    ] = 64
    serve_timeout: Annotated[
        float,
        Field(gt=0, le=3_600, description="Seconds until a request is given up, with status 504."),
        Give("a number of seconds up to 3600"),
    ] = 30.0
    serve_drain: Annotated[
        float,
        Field(ge=0, le=3_600, description="Seconds that requests get to end after SIGTERM."),
        Give("a number of seconds up to 3600"),
    ] = 30.0
    serve_image_bytes: Annotated[
        int,
        Field(ge=1_000, le=1 << 30, description="Bytes of an image that is searched for."),
        Give("a whole number of bytes from 1000"),
    ] = 20 << 20
    serve_image_pixels: Annotated[
        int,
        Field(ge=1_000, le=100_000_000, description="Pixels of an image that is searched for."),
        Give("a whole number from 1000 to 100000000"),
    ] = 40_000_000

    serve_body_bytes: Annotated[
        int,
        Field(ge=1_000, le=1 << 30, description="Bytes of a request, whatever is in it."),
        Give("a whole number of bytes from 1000"),
    ] = 32 << 20
    serve_held_bytes: Annotated[
        int,
        Field(
            ge=1_000,
            le=1 << 40,
            description="Bytes of all requests together that a process holds; further ones get "
            "status 503.",
        ),
        Give("a whole number of bytes from 1000"),
    ] = 256 << 20
    serve_body_seconds: Annotated[
        float,
        Field(gt=0, le=3_600, description="Seconds in which a request has to come as a whole."),
        Give("a number of seconds up to 3600"),
    ] = 30.0
    serve_keys: Annotated[
        str,
        Field(
            pattern=r"^(auto|required|off)$",
            description="Whether a key is asked for; auto: unless this machine alone can connect.",
        ),
        Give("auto, required or off"),
    ] = "auto"
    serve_hosts: Annotated[
        tuple[str, ...] | None,
        NoDecode,
        BeforeValidator(_between_commas),
        Field(
            description="Names that the service goes by, commas between; `*.example.org` for all "
            "below. Any when not given, and on loopback those of this machine."
        ),
    ] = None
    serve_origins: Annotated[
        tuple[Annotated[str, Field(pattern=r"^(\*|https?://[^/,*]+)$")], ...],
        NoDecode,
        BeforeValidator(_between_commas),
        Field(
            description="Origins whose pages may read answers (CORS), commas between, or `*`; "
            "none when not given."
        ),
        Give("origins without a path, such as https://map.example.org, or *"),
    ] = ()

    serve_proxies: Annotated[
        tuple[str, ...],
        NoDecode,
        BeforeValidator(_between_commas),
        Field(
            description="Addresses or networks of proxies, commas between, whose X-Forwarded-For "
            "and X-Forwarded-Proto are believed."
        ),
    ] = ("127.0.0.1", "::1")
    serve_sources: Annotated[
        tuple[
            Annotated[
                str,
                Field(
                    pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63}=)?"
                    r"(https?|s3|gs|az)://[^/@?#\s]+(/[^?#\s]*)?$"
                ),
            ],
            ...,
        ],
        NoDecode,
        BeforeValidator(_between_commas),
        Field(
            description="Address that clients of STAC fetch scenes below, by their paths in the "
            "collection's folder; NAME=ADDRESS for one collection, commas between. Without one, "
            "items have no `data`."
        ),
        Give(
            "addresses without user or query, such as https://files.example.org/scenes or "
            "NAME=s3://BUCKET/PREFIX"
        ),
    ] = ()
    serve_cogs: Annotated[
        bool,
        Field(description="Whether TIFF files of scenes are cloud-optimised, which QGIS opens."),
        Give("true or false"),
    ] = False
    serve_log_format: Annotated[
        Literal["json", "text"],
        Field(description="How the service logs, to stderr."),
        Give("json or text"),
    ] = "text"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may have."""
        told = [each for each in dict(self).values() if isinstance(each, SecretStr)]
        found = [part for each in told for part in each.get_secret_value().split()]
        if self.redis_url and (password := urlsplit(self.redis_url).password):
            found += [password, unquote(password)]
        return tuple(found)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options before the environment; `load_settings` adds the file where neither speaks."""
        return (init_settings, env_settings)


def load_settings(**options: Any) -> Settings:
    """The settings with those options that are not None; SettingsError says where a fault is."""
    given = {name: value for name, value in options.items() if value is not None}
    _refuse_unknown_variables()
    home = Path(given.get("home") or os.environ.get(f"{PREFIX}HOME") or DEFAULT_HOME)
    file = home / FILE
    in_file = _read(file)
    missing = {
        name: value
        for name, value in in_file.items()
        if name not in given and not os.environ.get(_variable(name))
    }
    try:
        return Settings(**given, **missing)
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        if name in given:
            where = f"option --{name.replace('_', '-')}"
        elif name in missing:
            where = f"{file}: {name}"
        else:
            where = f"environment variable {_variable(name)}"
        secret = any(word in name for word in ("password", "authorization", "redis"))
        value = "" if secret else " " + _USER_INFO.sub("//***@", repr(fault["input"]))
        raise SettingsError(f"{where}:{value} will not do; {_remedy(name)}") from error


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Let processes that are started in the block count their metrics together.

    prometheus-client reads the folder to do so in from the environment, when it is imported there.
    """
    with tempfile.TemporaryDirectory(prefix="scenesift-metrics-") as folder:
        os.environ[_METRICS] = folder
        try:
            yield
        finally:
            del os.environ[_METRICS]


def _remedy(name: str) -> str:
    known = [one.what for one in Settings.model_fields[name].metadata if isinstance(one, Give)]
    return f"give {known[0]}" if known else "give a text"


def _read(file: Path) -> Mapping[str, Any]:
    """The values of a settings file; none where there is no file."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from error
    for name in values:
        if name == "home" or name not in Settings.model_fields:
            raise SettingsError(f"{file}: there is no setting {name}{_nearest(name)}")
    return values


def _refuse_unknown_variables() -> None:
    """A misspelt variable would silently leave its setting at the default."""
    known = {_variable(name) for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable not in known:
            name = variable.removeprefix(PREFIX).lower()
            raise SettingsError(
                f"environment variable {variable}: there is no such setting{_nearest(name)}"
            )


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _nearest(name: str) -> str:
    names = [other for other in Settings.model_fields if other != "home"]
    near = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names)}"
