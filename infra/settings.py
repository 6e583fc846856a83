"""Every setting of Ringback: its name, its meaning and its default, in one place.

A setting is read from the environment (``RINGBACK_…``), from a ``.env`` file or from the TOML file that
``RINGBACK_SETTINGS`` names, in that order of precedence; the names are the same everywhere.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


def default_home() -> Path:
    """Where the embedded servers keep their data: under the user's data folder, as the platform names it."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "ringback"


class Settings(BaseSettings):
    """All settings; immutable once read.

    Raises:
        pydantic.ValidationError: a value cannot be used; the message names the setting and why.
    """

    model_config = SettingsConfigDict(
        env_prefix="RINGBACK_", env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    home: Path = Field(default_factory=default_home, description="Folder for the embedded servers' data and keys.")

    postgres_url: str | None = Field(default=None, description="PostgreSQL of the history; none: the embedded one.")
    redis_url: str | None = Field(
        default=None,
        description="Redis of the card states (a Redis Cluster: redis+cluster://); none: the embedded one.",
    )
    kafka_servers: str | None = Field(default=None, description="Kafka bootstrap servers; none: the embedded broker.")
    partitions: int = Field(default=4, ge=1, le=4096, description="Partitions of `transactions` where we create it.")
    replication_factor: int = Field(default=1, ge=1, le=9, description="Copies of each topic where we create it.")

    detection_workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that detect, where `ringback up` starts them; at most one a partition has work.",
    )
    detection_cards_kept: int = Field(
        default=200_000,
        ge=2,
        description="Cards a partition whose sightings stay in the process; others are read back.",
    )
    allow_card_numbers: bool = Field(
        default=False,
        description="Accept card tokens that look like card numbers (13 to 19 digits, right check digit).",
    )

    http_host: str = Field(default="127.0.0.1", description="Address that the web process listens on.")
    http_port: int = Field(default=8400, ge=0, le=65535, description="Port that the web process listens on.")
    public_url: str | None = Field(
        default=None, description="How the outside reaches the web process (webhook signatures cover it); no slash."
    )
    http_requests_per_s: float = Field(
        default=200.0, gt=0, description="Requests a second that one caller may make, twice as many at once; then 429."
    )
    feed_key: SecretStr | None = Field(default=None, description="Bearer key with the scope `feed`.")
    master_key: SecretStr | None = Field(
        default=None, description="Base64 of 32 bytes: wraps the customers' keys, signs sessions and look-ups."
    )

    previous_master_keys: SecretStr | None = Field(
        default=None, description="Master keys before it, comma-separated, until `ringback keys rotate` has ended."
    )
    keys_postgres_url: str | None = Field(
        default=None, description="PostgreSQL of the customers' keys, apart from the history's; none: the same."
    )

    seal_key: SecretStr | None = Field(
        default=None, description="Base64 of 32 bytes: the Ed25519 key that seals the history; none: the home's."
    )
    seal_public_keys: str = Field(
        default="", description="Public keys of earlier seals that still count: base64, separated by commas."
    )
    seal_every: timedelta = Field(
        default=timedelta(minutes=1), description="The end of the history is sealed this often, if it has moved."
    )
    seals_file: Path | None = Field(
        default=None, description="Each seal becomes a line of this file; none: seals.ndjson in the home."
    )

    operator: str | None = Field(
        default=None, description="Who acts at the command line, where --as does not say: a name at the desk."
    )
    operator_password: SecretStr | None = Field(
        default=None, description="That person's password at the desk, for scripts; none: it is asked for."
    )

    bank_name: str = Field(default="Mekong Bank", max_length=30, description="The bank's name in messages.")
    bank_phone: str = Field(default="+1 415 555 0100", description="The number that is printed on the bank's cards.")
    default_language: str = Field(default="en", description="Language of a customer whose own is not served.")

    twilio_account_sid: str | None = Field(default=None, description="Twilio account; none: SMS is not configured.")
    twilio_auth_token: SecretStr | None = Field(default=None, description="Signs requests to us and from us.")
    twilio_from: str | None = Field(default=None, description="The sending number, E.164.")
    twilio_api_url: str | None = Field(default=None, description="Another address for Twilio's API; none: Twilio's.")
    twilio_timeout_s: float = Field(default=10.0, gt=0, description="After this a send's outcome is unknown.")
    sms_validity_s: int = Field(default=1800, ge=1, le=36000, description="An undelivered SMS is dropped after this.")

    smtp_host: str | None = Field(default=None, description="Mail server; none: email is not configured.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    smtp_starttls: bool = Field(default=True, description="Whether the mail server is spoken to under TLS.")
    smtp_user: str | None = Field(default=None, description="Account at the mail server.")
    smtp_password: SecretStr | None = Field(default=None, description="Its password.")
    mail_from: str = Field(default="alerts@bank.example", description="The sender's address of emails.")

    silence_after: timedelta = Field(
        default=timedelta(minutes=15), description="No answer to the SMS for this long: email follows."
    )
    delivery_due_after: timedelta = Field(
        default=timedelta(minutes=2), description="No delivery callback for this long: the provider is asked."
    )
    outcome_due_after: timedelta = Field(
        default=timedelta(seconds=30), description="An intent without an outcome for this long is reconciled."
    )
    send_retry_for: timedelta = Field(
        default=timedelta(minutes=2), description="A busy provider is tried for this long, then the next channel."
    )
    card_answer_due_after: timedelta = Field(
        default=timedelta(seconds=60), description="No answer to a card command for this long: it is sent again."
    )
    hand_over_after: timedelta = Field(
        default=timedelta(minutes=10), description="A task in hand without a sign of life returns after this."
    )

    reopen_within: timedelta = Field(
        default=timedelta(days=30), description="So long after its end a case may go on; later a new one is opened."
    )
    promise_due_before: timedelta = Field(
        default=timedelta(minutes=10), description="So long before a promised call its task is at the front."
    )
    promise_missed_after: timedelta = Field(
        default=timedelta(minutes=5), description="So long after the promised time a call is missed."
    )

    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field(default="json", pattern="^(json|console)$", description="json or console.")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="Port of a worker's /metrics; 0: none.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Adds the TOML file behind the environment and ``.env``."""
        named: dict[str, Any] = {"toml_file": os.environ.get("RINGBACK_SETTINGS", "ringback.toml")}
        toml = TomlConfigSettingsSource(settings_cls, **named)
        return init_settings, env_settings, dotenv_settings, toml, file_secret_settings

    @property
    def seals_path(self) -> Path:
        """The file of the seals."""
        return self.seals_file or self.home / "seals.ndjson"

    @property
    def earlier_seal_keys(self) -> list[str]:
        """Public keys of earlier seals, each base64."""
        return [key.strip() for key in self.seal_public_keys.split(",") if key.strip()]

    @property
    def web_url(self) -> str:
        """The address by which the outside reaches the web process, without a trailing slash."""
        return (self.public_url or f"http://{self.http_host}:{self.http_port}").rstrip("/")
