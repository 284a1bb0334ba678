"""Settings: `conf/lakehouse.toml`, overridden by `LAKEHOUSE_*`, overridden by the command line."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from conf import objects
from conf.errors import UsageError
from conf.home import Home

FILE = Path(__file__).with_name("lakehouse.toml")
PREFIX = "LAKEHOUSE_"

FILES, KAFKA = "files", "kafka"
"""Where deliveries come from: the setting `source`."""

_BROKER = r"[A-Za-z0-9._-]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}"


class Settings(BaseSettings):
    """One value per setting, checked; `conf/lakehouse.toml` says what each means."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, toml_file=FILE, extra="forbid", frozen=True)

    home: Annotated[str, BeforeValidator(str), StringConstraints(min_length=1)]
    local: Path
    master: str
    driver_memory: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[kmgKMG]$")]
    min_free_mib: int = Field(ge=0)
    webhook_url: SecretStr = SecretStr("")
    source: Literal["files", "kafka"] = "files"
    kafka_brokers: Annotated[str, StringConstraints(pattern=rf"^(({_BROKER})(,({_BROKER}))*)?$")] = ""
    kafka_topic: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{0,249}$")] = ""
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_ca_file: str = ""
    kafka_max_records: int = Field(default=1_000_000, ge=1)
    spark: dict[str, str] = {}

    @field_validator("webhook_url")
    @classmethod
    def _is_an_address(cls, url: SecretStr) -> SecretStr:
        if url and not re.fullmatch(r"https?://[!-~]+", url.get_secret_value()):
            raise ValueError("must be an http:// or https:// address")
        return url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The command line wins over the environment, the environment over the file."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))

    @property
    def place(self) -> Home:
        """The lakehouse these settings name; raises UsageError for an address that is none."""
        if not objects.is_address(self.home):
            return Home(Path(self.home).expanduser().absolute())
        root = objects.place(self.home)
        here = objects.address(root).removeprefix(objects.SCHEME)
        return Home(root, self.local.expanduser().absolute() / here)


def load(**given: Any) -> Settings:
    """The settings in force; raises UsageError naming the setting, where it stands and what it may be."""
    _refuse_unknown_variables()
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except pydantic.ValidationError as invalid:
        raise UsageError("\n".join(_explain(error) for error in invalid.errors())) from None
    except ValueError as invalid:
        raise UsageError(f"{FILE}: not valid TOML: {invalid}. Correct the file and run again.") from None


def _refuse_unknown_variables() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable not in known:
            raise UsageError(_unknown(variable, known, "in the environment"))


def _explain(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return _unknown(name, set(Settings.model_fields), f"in {FILE}")
    allowed = re.sub(r"^Value error, ", "", error["msg"])
    is_secret = name in Settings.model_fields and Settings.model_fields[name].annotation is SecretStr
    found = "it is a secret, so not shown" if is_secret else f"found: {error['input']!r}"
    return (
        f"Setting {name}: {allowed} ({found}).\n"
        f"Correct it in {FILE} or in {PREFIX}{name.upper()} and run again."
    )


def _unknown(name: str, known: set[str], where: str) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"Unknown setting {name} {where}.{hint}\nKnown: {', '.join(sorted(known))}."
