"""What a customer means by what she wrote back; everything that is not plain goes to a person.

Only three things are ever decided here: the digit that the message offered, the wish to get no more messages, and its
opposite. A wrong guess about a payment costs more than an operator's glance, so there is no guessing: words beside the
digit must be the ones that the message itself gave to it.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import Final, Literal

import msgspec

Meaning = Literal["genuine", "fraud", "opt_out", "opt_in", "unclear"]

_ANSWERS: Final[dict[str, Meaning]] = {"1": "genuine", "2": "fraud"}

# What the templates put beside each digit (see templates/), and what people put before it.
_WORDS_BESIDE: Final[dict[str, frozenset[str]]] = {
    "1": frozenset(
        {"", "it was me", "was me", "i did", "ich war es", "ich war s", "war ich", "si fui yo", "fui yo", "yo fui"}
    ),
    "2": frozenset(
        {"", "it was not me", "it wasn t me", "it wasnt me", "was not me", "wasn t me", "wasnt me", "not me"}
        | {"ich war es nicht", "ich war s nicht", "war ich nicht", "nicht ich", "no fui yo", "yo no fui"}
    ),
}
_LEADS: Final = frozenset({"reply", "answer", "option", "number", "antwort", "nummer", "respuesta", "opcion"})
_COURTESY: Final = frozenset({"please", "pls", "thanks", "thank", "you", "thx", "bitte", "danke", "por", "favor"}) | {
    "gracias",
    "ok",
    "okay",
    "hi",
    "hello",
    "hallo",
    "hola",
}

_CARRIER_STOPS: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})

# One word that says it alone. The carriers' own (STOP … OPTOUT) are among them: see OptOutType in the webhooks.
_STOP_WORDS: Final = frozenset(
    {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "remove"}
    | {"stopp", "stoppen", "abmelden", "abbestellen", "austragen", "aufhoren", "aufhoeren", "abmeldung"}
    | {"alto", "parar", "pare", "paren", "para", "baja", "cancelar", "basta", "detener", "deten"}
)
# Words that may stand beside a stop word and leave it what it is. A card, a payment or an account is not among them:
# "stop my card please" is for an operator.
_ABOUT_MESSAGES: Final = frozenset(
    {"all", "any", "me", "my", "now", "these", "the", "to", "from", "sending", "send", "texting", "text"}
    | {"texts", "message", "messages", "messaging", "sms", "alerts", "out", "off", "list", "your", "number", "bank"}
    | {"alle", "nachrichten", "nachricht", "mit", "den", "diese", "mich", "jetzt", "sofort", "von", "der", "liste"}
    | {
        "mensajes",
        "mensaje",
        "los",
        "las",
        "de",
        "la",
        "lista",
        "darme",
        "dame",
        "darse",
        "mi",
        "ya",
        "estos",
        "enviar",
    }
    | {"enviarme", "mandar", "mandarme", "escribir", "escribirme", "quiero", "i", "want", "ich", "will", "mochte"}
)
_STOP_PHRASES: Final = tuple(
    re.compile(rf"^(?:{phrase})$")
    for phrase in (
        r"opt (?:me )?out(?: of .*)?",
        r"(?:do not|don t|dont|never) (?:text|message|contact|sms|write)(?: to)?(?: me)?(?: any ?more| again)*",
        r"(?:do not|don t|dont|never) send(?: me)?(?: any)?(?: more)? (?:texts?|messages?|sms)(?: any ?more| again)?",
        r"(?:i (?:do not|don t|dont) want )?(?:no|any)(?: more)? (?:texts?|messages?|sms)(?: from you| any ?more)?",
        r"leave me alone",
        r"(?:take|remove) me (?:off|from)(?: (?:this|your|the))?(?: .*)?list",
        r"(?:bitte )?(?:keine|nie wieder)(?: weiteren)? (?:sms|nachrichten?|mitteilungen)(?: mehr)?",
        r"(?:ich (?:will|mochte|moechte) )?keine (?:sms|nachrichten?)(?: mehr)?(?: bekommen| erhalten)?",
        r"(?:schreibt?|schreiben sie) (?:mir )?(?:bitte )?nicht(?: mehr)?",
        r"(?:sendet|senden sie|schickt|schicken sie) (?:mir )?(?:bitte )?keine (?:sms|nachrichten)(?: mehr)?",
        r"(?:hort|hoert|horen sie|hoeren sie)(?: bitte)? auf(?: damit)?",
        r"lass(?:t|en sie)? mich in ruhe",
        r"(?:ya )?(?:no quiero )?(?:no )?(?:mas|recibir mas) (?:mensajes|sms|textos)",
        r"no (?:me )?(?:escriban?|manden?|envien?|contacten?)(?: mas| mas mensajes| mensajes)*",
        r"dejen? de (?:escribirme|mandarme|enviarme|molestar(?:me)?)(?: mas)?(?: mensajes| sms)?",
        r"dejenme en paz",
    )
)
_START_WORDS: Final = frozenset({"start", "unstop", "optin", "subscribe", "anmelden", "alta"})


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """What a text says.

    Attributes:
        meaning: what may be done about it without a person; ``unclear`` for everything else.
        opts_out: no further messages are wanted, whatever else the text says ("2. STOP" says both).
        case_code: the one code, of those that were offered, that the text names; empty where it names none or several.
    """

    meaning: Meaning
    opts_out: bool = False
    case_code: str = ""


def understand(text: str, case_codes: Collection[str] = ()) -> Understood:
    """Reads a customer's text; never fails, whatever it holds.

    Args:
        text: as it came; it is not changed, and scrubbing it is the caller's affair.
        case_codes: the codes of the customer's cases, which may stand in the text beside the answer.
    """
    offered = {code.casefold(): code for code in case_codes}
    spoken = _sentences(text)
    named = {offered[word] for sentence in spoken for word in sentence.split() if word in offered}
    code = named.pop() if len(named) == 1 else ""
    without_code = (" ".join(word for word in sentence.split() if word not in offered) for sentence in spoken)
    sentences = [part for sentence in without_code if sentence for part in _apart(sentence)]

    stopping = [sentence for sentence in sentences if _is_stop(sentence)]
    rest = [sentence for sentence in sentences if sentence not in stopping and not _is_courtesy(sentence)]
    if stopping:
        meaning: Meaning = _meaning(rest) if rest else "opt_out"
        return Understood(meaning=meaning, opts_out=True, case_code=code)
    return Understood(meaning=_meaning(rest), case_code=code)


def taken_by_carrier(text: str) -> bool:
    """Whether the text is one of the single words with which carriers opt somebody out, and confirm it, themselves."""
    return text.strip().casefold() in _CARRIER_STOPS


def _meaning(sentences: list[str]) -> Meaning:
    joined = " ".join(sentences)
    words = _without(joined.split(), _COURTESY)
    if words and set(words) <= _START_WORDS:
        return "opt_in"
    answers = {answer for answer in map(_answer, (joined, *_numbered(sentences))) if answer}
    return answers.pop() if len(answers) == 1 else "unclear"


def _numbered(sentences: list[str]) -> Iterable[str]:
    """The text as one answer when its full stop only follows the digit ("1. It was me")."""
    if len(sentences) == 2 and sentences[0] in _ANSWERS:  # noqa: PLR2004 - the digit, and its words
        yield f"{sentences[0]} {sentences[1]}"


def _answer(sentence: str) -> Meaning | None:
    words = sentence.split()
    while words and (words[0] in _LEADS or words[0] in _COURTESY):
        words.pop(0)
    while words and words[-1] in _COURTESY:
        words.pop()
    if not words or words[0] not in _ANSWERS:
        return None
    return _ANSWERS[words[0]] if " ".join(words[1:]) in _WORDS_BESIDE[words[0]] else None


def _apart(sentence: str) -> list[str]:
    """The digit and the opt-out as two sentences where somebody wrote them as one ("2 stop")."""
    words = sentence.split()
    for digit, rest in ((words[0], words[1:]), (words[-1], words[:-1])):
        if digit in _ANSWERS and rest and _is_stop(" ".join(rest)):
            return [digit, " ".join(rest)]
    return [sentence]


def _is_stop(sentence: str) -> bool:
    words = _without(sentence.split(), _COURTESY)
    if any(pattern.match(" ".join(words)) for pattern in _STOP_PHRASES):
        return True
    beside = [word for word in words if word not in _STOP_WORDS]
    return len(beside) < len(words) and set(beside) <= _ABOUT_MESSAGES


def _is_courtesy(sentence: str) -> bool:
    return not _without(sentence.split(), _COURTESY)


def _without(words: list[str], dropped: frozenset[str]) -> list[str]:
    return [word for word in words if word not in dropped]


def _sentences(text: str) -> list[str]:
    """The text in small letters without accents, a sentence or line each; a question keeps its mark as a word."""
    # Compatibility forms: full-width digits, keycaps and superscripts become the digits that they show.
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(_plain(char) for char in plain if not unicodedata.combining(char))
    parts = re.split(r"[.!;\n\r]+|(?<=\?)", plain)
    cleaned = (" ".join(re.findall(r"\w+|\?", part.replace("?", " ? ").replace("_", " "))) for part in parts)
    return [sentence for sentence in cleaned if sentence]


def _plain(char: str) -> str:
    value = unicodedata.digit(char, None)
    return char if value is None else str(value)
