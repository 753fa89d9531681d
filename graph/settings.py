"""All settings: environment variables override `transitive.toml`, which overrides the defaults here.

The table in docs/settings.md is made from this class (`python -m graph.settings`), so it cannot fall behind.
"""

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from graph.errors import InvalidInput

_PREFIX = "TRANSITIVE_"
_SHARED_NAMES = ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD", "REDIS_URL")


def _shared(name: str, default: Any, description: str) -> Any:
    """Name a setting that other software knows under the same name, without our prefix."""
    return Field(default, validation_alias=AliasChoices(name, name.lower()), description=description)


class Settings(BaseSettings):
    """What can be set. Names in the environment are TRANSITIVE_<FIELD>, and four known to other software."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", populate_by_name=True)

    home: Path = Field(Path(".transitive"), description="Folder of everything local: servers' data, files, reports.")
    data_url: str = Field(
        "", description="Where pixels, vectors and models are kept (fsspec: s3://…). Default HOME/data."
    )
    cache: Path = Field(
        Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "transitive",
        description="Folder shared by all homes for Neo4j's and Redis' jars.",
    )

    neo4j_uri: str = _shared("NEO4J_URI", "", "Bolt address of a Neo4j 5 server. Empty: start a local one.")
    neo4j_user: str = _shared("NEO4J_USER", "neo4j", "User of that server.")
    neo4j_password: SecretStr = _shared("NEO4J_PASSWORD", SecretStr(""), "Password of that server.")
    redis_url: SecretStr = _shared("REDIS_URL", SecretStr(""), "redis://… of a Redis server. Empty: start a local one.")

    host: str = Field("127.0.0.1", description="Address the local servers and the API listen on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Preferred port of the API; the next free one is taken.")
    neo4j_bolt_port: int = Field(7687, ge=0, le=65535, description="Preferred Bolt port of the local Neo4j.")
    neo4j_http_port: int = Field(7474, ge=0, le=65535, description="Preferred HTTP (Browser) port of the local Neo4j.")
    redis_port: int = Field(6379, ge=0, le=65535, description="Preferred port of the local Redis.")

    mining_workers: int = Field(0, ge=0, description="Videos mined at the same time. 0: one per core.")
    mining_seconds: int = Field(3600, gt=0, description="Longest time one video may take to mine, in seconds.")
    mining_stall_seconds: int = Field(
        120, gt=0, description="A video whose decoder makes no progress for so long is given up, in seconds."
    )
    mining_memory_mb: int = Field(4096, gt=0, description="Most memory one mining process may take, in MiB.")
    segment_frames: int = Field(
        9000, ge=100, description="Longer videos are cut at key frames into segments of about so many frames."
    )
    same_pictures: str = Field(
        "drop", pattern="^(drop|flag)$", description="Pairs whose ends are the same picture: drop, or keep and flag."
    )
    least_confidence: float = Field(
        0.75,
        ge=0,
        le=1,
        description="Tracks of less confidence are kept in the graph, and neither linked nor trained on.",
    )
    max_pixels: int = Field(3840 * 2160 * 2, gt=0, description="Largest frame accepted, in pixels.")
    max_frames: int = Field(2_000_000, gt=0, description="Longest video accepted, in frames.")
    upload_bytes: int = Field(4 * 1024**3, gt=0, description="Largest upload over HTTP, in bytes.")
    min_free_disk_mb: int = Field(512, ge=0, description="Uploads and ingestion stop when less disk is free, in MiB.")
    allowed_paths: str = Field("", description="Folders (':' between) whose files POST /videos may name. Empty: none.")
    allow_urls: bool = Field(False, description="Whether POST /videos may name a URL on the public internet to fetch.")
    device: str = Field("auto", description="Where networks run: auto, cpu, cuda or cuda:N.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="What the servers log.")

    @property
    def data(self) -> str:
        """The fsspec address of pixels, vectors and models."""
        return self.data_url or str(self.home.absolute() / "data")


def load_settings(environment: dict[str, str] | None = None) -> Settings:
    """Read the settings, or raise `InvalidInput` that names each unknown or wrong one.

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
            raise InvalidInput(f"{name} is no setting. docs/settings.md lists them all.")
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InvalidInput(f"transitive.toml: {', '.join(unknown)} is no setting. docs/settings.md lists them all.")
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(f"{_variable(str(e['loc'][0]))}: {e['msg']}" for e in error.errors())
        raise InvalidInput(f"Wrong setting: {problems}.") from None


@cache
def settings() -> Settings:
    """Read this process's settings once."""
    return load_settings()


def _file_values(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is no TOML file: {error}.") from None


def _variable(field: str) -> str:
    name = field.upper()
    return name if name in _SHARED_NAMES else _PREFIX + name


def settings_table() -> str:
    """Draw the Markdown table of docs/settings.md."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, info in Settings.model_fields.items():
        default = "~/.cache/transitive" if name == "cache" else info.default
        text = "" if isinstance(default, SecretStr) else str(default)
        rows.append(f"| `{_variable(name)}` | {f'`{text}`' if text else ''} | {info.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(settings_table())  # noqa: T201
