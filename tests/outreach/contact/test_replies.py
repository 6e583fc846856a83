import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.contact.replies import taken_by_carrier, understand
from outreach.contact.wording import LANGUAGES, fill, template


@pytest.mark.parametrize(
    "text",
    [
        "1",
        " 1 ",
        "1.",
        "1)",
        "(1)",
        "#1",
        '"1"',
        "1!",
        "\uff11",
        "1️⃣",
        "¹",
        "1\n",
        "Reply 1",
        "1 please",
        "1 it was me",
        "1 - It was me.",
        "1. It was me",
        "1, thanks",
        "Antwort 1",
        "1 ich war es",
        "1 = sí, fui yo",
        "1: fui yo",
        "Hi. 1",
        "ok 1",
    ],
)
def test_the_first_digit_with_harmless_decoration_says_it_was_her(text: str) -> None:
    assert understand(text).meaning == "genuine"


@pytest.mark.parametrize(
    "text",
    [
        "2",
        "2.",
        "2)",
        "'2'",
        "2!!!",
        "٢",
        "2 please",
        "2 it was not me",
        "2 It wasn't me",
        "2 \u2013 not me",
        "2 ich war es nicht",
        "2 no fui yo",
        "Respuesta 2",
        "2. It was not me.",
        "2\nthank you",
    ],
)
def test_the_second_digit_with_harmless_decoration_says_it_was_not_her(text: str) -> None:
    assert understand(text).meaning == "fraud"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "3",
        "12",
        "1 2",
        "1 or 2",
        "1/2",
        "1?",
        "2?",
        "1 not me",
        "2 it was me",
        "2 ich war es",
        "1 no fui yo",
        "1 no it wasn't",
        "it was me",
        "yes",
        "no",
        "YES",
        "what is this?",
        "who are you",
        "call me",
        "I am in Cambodia",
        "stop the payment",
        "please stop my card",
        "cancel my card",
        "stop it",
        "cancel this",
        "end this now i did not pay",
        "don't stop",
        "1.5",
        "2 and call me",
        "👍",
        "start my card",
        "stop?",
    ],
)
def test_everything_else_is_for_a_person(text: str) -> None:
    understood = understand(text)
    assert (understood.meaning, understood.opts_out) == ("unclear", False)


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop",
        "Stop.",
        "STOP!!",
        "STOPALL",
        "stop all",
        "UNSUBSCRIBE",
        "CANCEL",
        "END",
        "QUIT",
        "REVOKE",
        "OPTOUT",
        "opt out",
        "opt-out",
        "Opt me out",
        "stop please",
        "please stop",
        "Stop texting me",
        "stop sending me messages",
        "no more texts",
        "don't text me",
        "Do not contact me again",
        "leave me alone",
        "remove me from your list",
        "stop messages thanks",
        "I want to unsubscribe",
        "stopp",
        "Bitte stopp",
        "abmelden",
        "Bitte abmelden",
        "abbestellen",
        "keine SMS mehr",
        "Keine Nachrichten mehr bitte",
        "Hört auf",
        "Bitte aufhören",
        "Lasst mich in Ruhe",
        "schreiben Sie mir nicht mehr",
        "baja",
        "darme de baja",
        "quiero darme de baja",
        "no más mensajes",
        "pare por favor",
        "No me escriban más",
        "deje de escribirme",
        "no quiero más mensajes",
        "dejen de enviarme mensajes",
        "cancelar",
    ],
)
def test_any_reasonable_phrasing_of_stop_is_an_opt_out(text: str) -> None:
    understood = understand(text)
    assert (understood.meaning, understood.opts_out) == ("opt_out", True)


@pytest.mark.parametrize("text", ["START", "start", "Unstop", "start please", "anmelden", "alta por favor"])
def test_start_takes_messages_again(text: str) -> None:
    assert understand(text).meaning == "opt_in"


@pytest.mark.parametrize("text", ["2. STOP", "2 stop", "STOP 2", "stop please\n2"])
def test_an_answer_and_an_opt_out_in_one_text_are_both_heard(text: str) -> None:
    understood = understand(text)
    assert (understood.meaning, understood.opts_out) == ("fraud", True)


def test_an_opt_out_beside_something_unclear_is_honoured_and_a_person_reads_the_rest() -> None:
    understood = understand("Stop texting me. I never bought that!")
    assert (understood.meaning, understood.opts_out) == ("unclear", True)


@pytest.mark.parametrize("text", ["1 K7M2QP", "k7m2qp 1", "K7M2QP: 1", "1 (K7M2QP)"])
def test_a_case_code_beside_the_digit_picks_the_case(text: str) -> None:
    understood = understand(text, ["K7M2QP", "WX34YZ"])
    assert (understood.meaning, understood.case_code) == ("genuine", "K7M2QP")


def test_two_case_codes_pick_none() -> None:
    assert understand("1 K7M2QP WX34YZ", ["K7M2QP", "WX34YZ"]).case_code == ""


def test_a_code_that_was_not_offered_is_a_word_like_any_other() -> None:
    assert understand("1 ABCDEF", ["K7M2QP"]).meaning == "unclear"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("law", ["US", "GB", "ANY"])
def test_the_words_that_the_message_gives_to_a_digit_are_understood_beside_it(language: str, law: str) -> None:
    body = fill(template("alert", "sms", language, law), bank="B", phone="+1", code="C").body
    first, second = (body.split(f" {digit} ", 1)[1] for digit in (1, 2))
    words_of_1 = first.split(", 2 ")[0]
    words_of_2 = second.split(", o")[0].split(". ")[0]
    assert understand(f"1 {words_of_1}").meaning == "genuine"
    assert understand(f"2 {words_of_2}").meaning == "fraud"


@given(st.text(max_size=300), st.lists(st.text(max_size=8), max_size=3))
def test_reading_never_fails(text: str, codes: list[str]) -> None:
    understood = understand(text, codes)
    assert understood.meaning in {"genuine", "fraud", "opt_out", "opt_in", "unclear"}
    assert understood.opts_out or understood.meaning != "opt_out"


@given(st.text(alphabet=" .,!()[]\"'#*\n\t-:=", max_size=8), st.text(alphabet=" .,!()[]\"'#*\n\t-:=", max_size=8))
def test_punctuation_around_a_digit_never_changes_it(before: str, after: str) -> None:
    assert understand(f"{before}1{after}").meaning == "genuine"
    assert understand(f"{before}2{after}").meaning == "fraud"


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz ", min_size=1, max_size=40))
def test_a_text_without_a_digit_is_never_an_answer(text: str) -> None:
    assert understand(text).meaning not in {"genuine", "fraud"}


@given(st.integers(0, 10**6))
def test_no_other_number_is_an_answer(number: int) -> None:
    expected = {1: "genuine", 2: "fraud"}.get(number, "unclear")
    assert understand(str(number)).meaning == expected


@pytest.mark.parametrize("text", ["STOP", " stop ", "Unsubscribe"])
def test_a_carrier_takes_its_own_single_words(text: str) -> None:
    assert taken_by_carrier(text)


@pytest.mark.parametrize("text", ["stop please", "2", ""])
def test_a_carrier_takes_nothing_else(text: str) -> None:
    assert not taken_by_carrier(text)
