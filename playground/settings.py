"""Every option of the app, once: `PLAYGROUND_*` variables, then command-line flags, which win.

Secrets (API keys, hub tokens) are read from the environment only and never printed. On a Hugging Face Space the host
opens to the container's port and whatever the app writes goes below a folder that is known to be writable.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from playground.errors import PlaygroundError

Profile = Literal["local", "space", "zero", "public"]


class Settings(BaseSettings):
    """All options with their defaults. Sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="PLAYGROUND_", env_ignore_empty=True, extra="ignore")

    host: str = Field(default_factory=lambda: _platform_host(), description="address to listen on")
    port: int = Field(
        default_factory=lambda: int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
        ge=0,
        le=65535,
        description="port to listen on; 0 takes a free one",
    )
    share: bool = Field(False, description="open a public share link; needs --auth")
    auth: SecretStr | None = Field(None, description="USER:PASSWORD that visitors must give")
    models: Annotated[tuple[str, ...], NoDecode] = Field((), description="card ids to offer, with commas; all if empty")
    engine: str = Field("local", description="where local cards run: local")
    profile: Profile = Field("local", description="local, space, zero or public")
    data_dir: Path | None = Field(None, description="folder for everything that the app writes")
    catalog: Path | None = Field(None, description="a catalog file of your own, added to the built-in one")
    adapters_dir: Path | None = Field(None, description="a folder of LoRAs and embeddings, read beside the app's own")
    database_url: str = Field("", description="SQLAlchemy URL of the store; SQLite in the data folder if empty")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps or xpu")
    dtype: str = Field("auto", description="auto, bfloat16, float16 or float32")
    compile: Literal["off", "cuda", "anywhere"] = Field(
        "off", description="compile text models' steps over a cache of fixed size: off, cuda, or anywhere"
    )
    memory_budget: int = Field(0, ge=0, description="bytes that models may take; 0 measures the device")
    idle_unload: float = Field(0, ge=0, description="minutes without use after which a model is freed; 0 never")
    openai_base_url: str = Field("https://api.openai.com/v1", description="address of the OpenAI-compatible endpoint")
    openai_model: str = Field("", description="model name at that endpoint, instead of the card's own")
    openai_api_key: SecretStr | None = Field(None, description="key for that endpoint; OPENAI_API_KEY works too")
    local_only: bool = Field(False, description="ask no model to which text would leave this machine")
    hf_token: SecretStr | None = Field(None, description="Hugging Face token for gated models; HF_TOKEN works too")
    offline: bool = Field(False, description="never ask the network for a model")

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(m.strip() for m in value.split(",") if m.strip()) if isinstance(value, str) else value

    @cached_property
    def data_path(self) -> Path:
        """The first writable of: the folder asked for, `~/.playground`, a folder of this process's temp folder."""
        if self.data_dir is not None:
            return _writable(self.data_dir.expanduser()) or _refuse(self.data_dir)
        default = _writable(Path.home() / ".playground")
        return default or Path(tempfile.mkdtemp(prefix="playground-"))

    @property
    def store_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_path / 'playground.sqlite3'}"

    @property
    def api_key(self) -> str:
        secret = self.openai_api_key
        return secret.get_secret_value() if secret else os.environ.get("OPENAI_API_KEY", "")

    @property
    def hub_token(self) -> str:
        return self.hf_token.get_secret_value() if self.hf_token else os.environ.get("HF_TOKEN", "")

    @property
    def is_offline(self) -> bool:
        return self.offline or os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}

    @property
    def is_private(self) -> bool:
        """Whether only the machine's owner uses the app, so that a request may name files of this machine."""
        return self.profile == "local" and not self.share

    def credentials(self) -> tuple[str, str] | None:
        """User and password, or None where no login is asked for.

        Raises:
            PlaygroundError: `auth` has no colon or an empty half.
        """
        if self.auth is None:
            return None
        user, colon, password = self.auth.get_secret_value().partition(":")
        if not (user and colon and password):
            raise PlaygroundError("--auth must be USER:PASSWORD.", "Give both, for example --auth ana:a-long-password.")
        return user, password


def _platform_host() -> str:
    """Loopback, except where the platform says otherwise: a Space is reached through its container's port."""
    on_space = bool(os.environ.get("SPACE_ID"))
    return os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if on_space else "127.0.0.1")  # noqa: S104


def _writable(folder: Path) -> Path | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


def _refuse(folder: Path) -> Path:
    raise PlaygroundError(f"The data folder {folder} cannot be written.", "Choose another with PLAYGROUND_DATA_DIR.")


def load_settings(argv: Sequence[str] | None = None) -> Settings:
    """Settings from the environment and from `argv` (`sys.argv[1:]` if None).

    Raises:
        PlaygroundError: a value is out of range, or `--share` comes without `--auth`.
        SystemExit: from argparse, for `--help` and unknown flags.
    """
    import argparse

    parser = argparse.ArgumentParser(prog="app.py", description="Playground: text and image models side by side.")
    for name, info in Settings.model_fields.items():
        if info.annotation == SecretStr | None and name != "auth":
            continue  # keys stay out of shell histories and process lists
        flag = f"--{name.replace('_', '-')}"
        if info.annotation is bool:
            parser.add_argument(flag, action="store_const", const="true", help=info.description)
        else:
            parser.add_argument(flag, metavar="USER:PASSWORD" if name == "auth" else None, help=info.description)
    given = {k: v for k, v in vars(parser.parse_args(argv)).items() if v is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise PlaygroundError(
            f"The setting {field} cannot be {first.get('input')!r}: {first['msg']}.", "See python app.py --help."
        ) from None
    if settings.share and settings.credentials() is None:
        raise PlaygroundError(
            "--share opens this app to everyone who has the link, so it needs --auth USER:PASSWORD.",
            "Add --auth, or leave --share away.",
        )
    return settings
