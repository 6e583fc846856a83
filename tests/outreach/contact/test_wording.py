import re

import pytest

from infra.settings import Settings
from outreach.contact.encoding import Encoding, measure
from outreach.contact.errors import TemplateMissing
from outreach.contact.policy import LONGEST_TEXT
from outreach.contact.replies import understand
from outreach.contact.wording import LANGUAGES, fill, served, template

NAMES = [
    "alert",
    "ack_genuine",
    "ack_genuine_held",
    "ack_fraud",
    "ack_unclear",
    "ack_opt_in",
    "opt_out_confirmation",
]
LAWS = ["US", "GB", "DE"]
LONGEST_NAME = next(meta.max_length for meta in Settings.model_fields["bank_name"].metadata)
PHONE = "+44 20 7946 0000"


def message(name: str, channel: str, language: str, law: str) -> tuple[str, str]:
    filled = fill(template(name, channel, language, law), bank="M" * LONGEST_NAME, phone=PHONE, code="K7M2QP")
    return filled.heading, filled.body


every_message = pytest.mark.parametrize(
    ("name", "channel", "language", "law"),
    [(n, c, language, law) for n in NAMES for c in ("sms", "email") for language in LANGUAGES for law in LAWS],
)


@every_message
def test_every_message_names_bank_and_case_and_holds_no_link(name: str, channel: str, language: str, law: str) -> None:
    heading, body = message(name, channel, language, law)
    assert "M" * LONGEST_NAME in body
    assert "K7M2QP" in body
    assert not re.search(r"https?:|www\.|\.com|@", body)
    assert bool(heading) == (channel == "email")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("law", LAWS)
def test_the_alert_is_short_enough_for_the_law_with_the_longest_name_of_a_bank(language: str, law: str) -> None:
    _, body = message("alert", "sms", language, law)
    assert len(body) <= LONGEST_TEXT


@pytest.mark.parametrize("law", LAWS)
def test_german_texts_take_one_narrow_part_and_spanish_needs_the_wide_encoding(law: str) -> None:
    assert measure(message("alert", "sms", "de", law)[1]).parts == 1
    assert measure(message("alert", "sms", "es", law)[1]).encoding is Encoding.UCS2


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_alert_offers_both_digits_the_phone_and_a_way_out(language: str) -> None:
    _, american = message("alert", "sms", language, "US")
    _, british = message("alert", "sms", language, "GB")
    assert PHONE in american
    assert "159" in british
    assert PHONE not in british
    for body in (american, british):
        assert re.search(r"\b1\b.*\b2\b.*STOP", body)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("law", LAWS)
def test_no_alert_asks_for_a_word_that_carriers_take_for_themselves(language: str, law: str) -> None:
    words = set(re.findall(r"\w+", message("alert", "sms", language, law)[1].upper()))
    assert not words & {"YES", "CANCEL", "QUIT", "REVOKE", "UNSUBSCRIBE"}


def test_the_words_that_the_messages_offer_are_understood() -> None:
    assert understand("STOP").meaning == "opt_out"
    assert understand("START").meaning == "opt_in"


def test_british_law_goes_by_either_of_its_names() -> None:
    assert template("alert", "sms", "en", "UK") == template("alert", "sms", "en", "GB")


def test_a_law_without_a_text_of_its_own_gets_the_one_for_everywhere() -> None:
    assert template("alert", "sms", "en", "KH").name == "alert.sms.ANY.en"


@pytest.mark.parametrize(
    ("language", "default", "expected"),
    [("de-AT", "en", "de"), ("ES_mx", "en", "es"), ("km", "de", "de"), ("km", "fr", "en"), ("", "en", "en")],
)
def test_a_language_that_is_not_served_falls_back(language: str, default: str, expected: str) -> None:
    assert served(language, default) == expected


def test_the_digest_tells_two_texts_apart() -> None:
    digests = {template(n, "sms", language, "US").digest for n in NAMES for language in LANGUAGES}
    assert len(digests) == len(NAMES) * len(LANGUAGES)


def test_braces_in_the_name_of_a_bank_mean_nothing() -> None:
    filled = fill(template("ack_fraud", "sms", "en"), bank="{code}", phone="", code="K7M2QP")
    assert filled.body.startswith("{code}: ")


def test_a_template_that_does_not_exist_is_named() -> None:
    with pytest.raises(TemplateMissing, match="no template farewell"):
        template("farewell", "sms", "en")
