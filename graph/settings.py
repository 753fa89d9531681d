"""The settings. Environment variables override `transitive.toml`, which overrides the defaults here.

`python -m graph.settings` prints the table of docs/settings.md; a test holds that the two agree.
"""

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from graph.errors import InvalidInput

LEAST_CONFIDENCE = 0.7  # chosen by measurement (docs/decisions/0111)
_PREFIX = "TRANSITIVE_"
_SHARED_NAMES = ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD", "REDIS_URL")


def _shared(name: str, default: Any, description: str) -> Any:
    """Define a setting without our prefix, because other software uses the same variable."""
    return Field(default, validation_alias=AliasChoices(name, name.lower()), description=description)


class Settings(BaseSettings):
    """All settings. Environment variables are TRANSITIVE_<FIELD>, except four that other software uses as well."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", populate_by_name=True)

    home: Path = Field(Path(".transitive"), description="Home folder: the local servers' data, files, reports.")
    data_url: str = Field(
        "", description="Where pixels, vectors and models are stored (fsspec: s3://…). Empty: HOME/data."
    )
    cache: Path = Field(
        Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "transitive",
        description="Folder for the jars of Neo4j and Redis, shared by all home folders.",
    )

    neo4j_uri: str = _shared("NEO4J_URI", "", "Bolt address of a Neo4j 5 server. Empty: start a local one.")
    neo4j_user: str = _shared("NEO4J_USER", "neo4j", "User of that server.")
    neo4j_password: SecretStr = _shared("NEO4J_PASSWORD", SecretStr(""), "Password of that server.")
    redis_url: SecretStr = _shared("REDIS_URL", SecretStr(""), "redis://… of a Redis server. Empty: start a local one.")

    host: str = Field("127.0.0.1", description="Address on which the local servers and the API listen.")
    host_names: str = Field(
        "", description="Further names (separated by ',') by which browsers and clients reach the API."
    )
    require_key: bool = Field(
        False, description="Whether the API asks for a key on loopback too, as behind a proxy on this machine."
    )
    requests_per_second: float = Field(
        300.0, ge=0, description="Maximum requests per second of one API key. 0: no limit."
    )
    concurrent_requests: int = Field(
        100, ge=0, description="Maximum simultaneous requests of one API key. 0: no limit."
    )
    slow_client_seconds: float = Field(
        30.0, gt=0, description="A client that sends or reads nothing for so long in a request is cut off, in seconds."
    )
    api_port: int = Field(
        8000, ge=0, le=65535, description="Preferred port of the API. If it is in use, the next free port is used."
    )
    public_url: str = Field(
        "", description="Address of the API in the links on patches in Neo4j Browser. Empty: http://HOST:API_PORT."
    )
    neo4j_bolt_port: int = Field(7687, ge=0, le=65535, description="Preferred Bolt port of the local Neo4j.")
    neo4j_http_port: int = Field(7474, ge=0, le=65535, description="Preferred HTTP (Browser) port of the local Neo4j.")
    redis_port: int = Field(6379, ge=0, le=65535, description="Preferred port of the local Redis.")

    mining_workers: int = Field(0, ge=0, description="Number of videos mined at the same time. 0: one per core.")
    mining_seconds: int = Field(3600, gt=0, description="Maximum time to mine one video, in seconds.")
    mining_stall_seconds: int = Field(
        120, gt=0, description="Mining fails when the decoder makes no progress for this time, in seconds."
    )
    mining_memory_mb: int = Field(4096, gt=0, description="Maximum memory of one mining process, in MiB.")
    segment_frames: int = Field(
        9000, ge=100, description="Longer videos are split at key frames into segments of about this many frames."
    )
    same_pictures: str = Field(
        "drop", pattern="^(drop|flag)$", description="Tracks whose start and end are the same picture: drop or flag."
    )
    least_confidence: float = Field(
        LEAST_CONFIDENCE,
        ge=0,
        le=1,
        description="Minimum confidence of tracks that are linked and trained on. Other tracks stay in the graph.",
    )
    max_pixels: int = Field(3840 * 2160 * 2, gt=0, description="Maximum pixels of a frame.")
    max_frames: int = Field(2_000_000, gt=0, description="Maximum frames of a video.")
    upload_bytes: int = Field(4 * 1024**3, gt=0, description="Maximum size of an upload over HTTP, in bytes.")
    min_free_disk_mb: int = Field(
        512, ge=0, description="Uploads and ingestion are refused when less disk space is free, in MiB."
    )
    allowed_paths: str = Field(
        "", description="Folders (separated by ':') of server files that a video request may name. Empty: none."
    )
    allow_urls: bool = Field(
        False, description="Whether a video request may name a URL on the public internet to download."
    )
    device: str = Field("auto", description="Device of the networks: auto, cpu, cuda or cuda:N.")
    log_format: str = Field("text", pattern="^(text|json)$", description="Form of the servers' logs: text or json.")
    log_level: str = Field(
        "INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Lowest level of messages that the servers log."
    )

    @property
    def pages(self) -> str:
        """Base address of the API's pages of patches, without a final slash."""
        reach = "127.0.0.1" if self.host in ("", "0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        base = self.public_url or f"http://{f'[{reach}]' if ':' in reach else reach}:{self.api_port}"
        return f"{base.rstrip('/')}/browse/patches"

    @property
    def data(self) -> str:
        """The fsspec address under which pixels, vectors and models are stored."""
        return self.data_url or str(self.home.absolute() / "data")


def load_settings(environment: dict[str, str] | None = None) -> Settings:
    """Read the settings; raises `InvalidInput`, which names each unknown or invalid setting.

    The optional file is `transitive.toml` in the home folder; its keys are the field names.
    """
    env = dict(os.environ) if environment is None else environment
    fields = Settings.model_fields
    known = {_PREFIX + name.upper() for name in fields} | set(_SHARED_NAMES)
    values: dict[str, Any] = _file_values(Path(env.get("TRANSITIVE_HOME", ".transitive")) / "transitive.toml")
    for name, value in env.items():
        if name in known:
            values[name.removeprefix(_PREFIX).lower()] = value
        elif name.startswith(_PREFIX):
            raise InvalidInput(f"Unknown setting {name}. docs/settings.md lists all settings.")
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InvalidInput(
            f"transitive.toml: unknown setting {', '.join(unknown)}. docs/settings.md lists all settings."
        )
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(f"{_variable(str(e['loc'][0]))}: {e['msg']}" for e in error.errors())
        raise InvalidInput(f"Invalid setting: {problems}.") from None


@cache
def settings() -> Settings:
    """Return this process's settings, read at the first call."""
    return load_settings()


def _file_values(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}.") from None


def _variable(field: str) -> str:
    name = field.upper()
    return name if name in _SHARED_NAMES else _PREFIX + name


def settings_table() -> str:
    """Return the Markdown table of docs/settings.md."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, info in Settings.model_fields.items():
        default = "~/.cache/transitive" if name == "cache" else info.default
        text = "" if isinstance(default, SecretStr) else str(default)
        rows.append(f"| `{_variable(name)}` | {f'`{text}`' if text else ''} | {info.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(settings_table())  # noqa: T201
