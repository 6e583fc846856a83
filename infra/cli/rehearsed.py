"""Settings under which Ringback talks to the rehearsal's phone network and mail server instead of the world's."""

from infra.settings import Settings

LOOPBACK = "127.0.0.1"
REHEARSAL_ACCOUNT = "AC" + "0" * 32
REHEARSAL_NUMBER = "+14155550199"


def rehearsed(settings: Settings) -> Settings:
    """The settings, pointed at a rehearsal on this machine: phone network on ``http_port`` + 1, mail on + 2.

    What the settings say of Twilio and SMTP does not count: a rehearsal never reaches a customer. The token with which
    both sides sign is generated with the other secrets.
    """
    return settings.model_copy(
        update={
            "twilio_account_sid": REHEARSAL_ACCOUNT,
            "twilio_auth_token": None,
            "twilio_from": REHEARSAL_NUMBER,
            "twilio_api_url": f"http://{LOOPBACK}:{settings.http_port + 1}",
            "smtp_host": LOOPBACK,
            "smtp_port": settings.http_port + 2,
            "smtp_starttls": False,
            "smtp_user": None,
            "smtp_password": None,
        }
    )
