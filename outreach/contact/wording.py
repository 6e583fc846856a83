"""Templates: the right text for a purpose, channel, language and law, filled in; versioned and hashed."""

import tomllib
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib import resources
from string import Formatter
from typing import Any, Final

import msgspec

from outreach.contact.errors import TemplateMissing, TemplateWrong

LANGUAGES: Final = ("en", "de", "es")
"""Served languages. German is written within GSM-7; Spanish has accents that force UCS-2."""

ANYWHERE: Final = "ANY"
_FIELDS: Final = frozenset({"bank", "phone", "code"})
_SAME_LAW: Final = {"UK": "GB"}
_MOST_DIGITS: Final = 4
"""A run of digits longer than this in a template would look like a number that she should not trust."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One text of one template file, not yet filled in.

    Attributes:
        name: file, channel, law and language, for example ``alert.sms.US.en``.
        version: of the file, as its editor set it.
        digest: SHA-256 of heading and text, hexadecimal: what was sent is provable even if a version is reused.
        heading: an email's subject; empty for the other channels.
    """

    name: str
    version: str
    digest: str
    language: str
    heading: str
    text: str


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it will be read."""

    heading: str
    body: str


def served(language: str, default: str = "en") -> str:
    """The language in which somebody is written to: her own (``de-AT`` is ``de``), else the bank's default, else en."""
    for wanted in (language, default):
        base = wanted.replace("_", "-").split("-")[0].casefold()
        if base in LANGUAGES:
            return base
    return LANGUAGES[0]


@cache
def template(name: str, channel: str, language: str, jurisdiction: str = ANYWHERE) -> Template:
    """The text for the law that binds, or the one for everywhere else.

    Raises:
        TemplateMissing: there is no such file, or it has nothing for this channel and language.
        TemplateWrong: the file breaks a rule of its own (unknown field, link, long number).
    """
    file = _read(name)
    law = _SAME_LAW.get(jurisdiction.upper(), jurisdiction.upper())
    law, text = _variant(file, channel, law, language) or _missing(name, channel, language)
    heading = ""
    if channel == "email":
        heading = (_variant(file, "heading", law, language) or _missing(name, "heading", language))[1]
    full_name = f"{name}.{channel}.{law}.{language}"
    for part in (heading, text):
        _check(full_name, part)
    digest = sha256(f"{heading}\x1f{text}".encode()).hexdigest()
    version = str(file["version"])
    return Template(name=full_name, version=version, digest=digest, language=language, heading=heading, text=text)


def fill(template: Template, *, bank: str, phone: str, code: str) -> Filled:
    """The message as it will be read; the values are put in as they are, braces in them mean nothing."""
    values = {"bank": bank, "phone": phone, "code": code}
    return Filled(heading=template.heading.format_map(values), body=template.text.format_map(values))


def _variant(file: Mapping[str, Any], section: str, law: str, language: str) -> tuple[str, str] | None:
    texts = file.get(section, {})
    for known in (law, ANYWHERE):
        if language in texts.get(known, {}):
            return known, texts[known][language].strip()
    return None


def _missing(name: str, section: str, language: str) -> tuple[str, str]:
    raise TemplateMissing(f"template {name} has no {section} in {language}")


def _check(name: str, text: str) -> None:
    fields = {field for _, field, _, _ in Formatter().parse(text) if field is not None}
    if not fields <= _FIELDS:
        raise TemplateWrong(f"template {name} names unknown fields: {', '.join(sorted(fields - _FIELDS))}")
    if "://" in text or "www." in text.casefold():
        raise TemplateWrong(f"template {name} holds a link")
    run = 0
    for char in text:
        run = run + 1 if char.isdigit() else 0
        if run > _MOST_DIGITS:
            raise TemplateWrong(f"template {name} holds a long number")


@cache
def _read(name: str) -> Mapping[str, Any]:
    source = resources.files("outreach.contact.templates") / f"{name}.toml"
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TemplateMissing(f"there is no template {name}") from None
    except tomllib.TOMLDecodeError as error:
        raise TemplateWrong(f"template {name} is not TOML: {error}") from error
