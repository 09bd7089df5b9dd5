"""language and readability."""

from __future__ import annotations

import pytest

from evaluators.code.readability import counts_of, syllables
from evaluators.languages import language_of
from tests.evaluators.code.recorded import runs
from tests.evaluators.making import decide, said, score_of, scores_of, suite_of
from tests.schemas.recorded import needs_shared

ANSWERS = {
    "en": "Your flight has been cancelled and the refund will arrive in five days.",
    "de": "Ihr Flug wurde storniert, die Erstattung kommt in fünf Tagen.",
    "es": "Su vuelo ha sido cancelado y el reembolso llegará en cinco días.",
    "fr": "Votre vol a été annulé et le remboursement arrivera dans cinq jours.",
    "pt": "O seu voo foi cancelado e o reembolso chega em cinco dias.",
    "ru": "Ваш рейс отменён, деньги вернутся через пять дней.",
    "zh": "您的航班已取消，退款将在五天内到账。",
    "ja": "ご予約をキャンセルしました。返金は五日以内に届きます。",
    "ar": "تم إلغاء رحلتك وسيصل المبلغ المسترد خلال خمسة أيام.",
    "tr": "Uçuşunuz iptal edildi ve para iadesi beş gün içinde ulaşacak.",
}


@pytest.mark.parametrize("asked", ANSWERS)
@pytest.mark.parametrize("answered", ANSWERS)
def test_every_pair(asked: str, answered: str) -> None:
    score = score_of("{type: language}", said(ANSWERS[answered], input=ANSWERS[asked]))
    assert (score.status, score.label, score.passed) == ("scored", answered, asked == answered), score
    if asked != answered:
        assert score.blamed_span_id == "s0" and f"the user writes {asked}" in score.explanation
        assert [e.path for e in score.evidence] == ["output_messages[0].content", "input_messages[0].content"]


@pytest.mark.parametrize(
    ("asked", "answered", "reason"),
    [
        ("ok", ANSWERS["de"], "too_short"),
        (ANSWERS["en"], "Ok.", "too_short"),
        (ANSWERS["en"], "HAT136, mia_li_3668, 2024-05-20, https://example.com/eine/seite", "too_short"),
        ("Please translate this into German: my flight was cancelled.", ANSWERS["de"], "language_named"),
        ("Bitte antworten Sie mir auf Englisch, danke schön.", ANSWERS["en"], "language_named"),
        (ANSWERS["en"], "```python\nfor i in range(10):\n    print(i)\n```", "too_short"),
    ],
)
def test_where_it_says_nothing(asked: str, answered: str, reason: str) -> None:
    assert score_of("{type: language}", said(answered, input=asked)).skip_reason == reason


def test_expected_and_twins() -> None:
    options = "{type: language, target: trace, options: {expected: [de, FR]}}"
    assert score_of(options, said(ANSWERS["fr"])).passed is True
    assert score_of(options, said(ANSWERS["en"])).passed is False
    assert scores_of("[{type: language}]", said(ANSWERS["en"])) == []
    found = language_of("Flyet ditt er kansellert, og pengene kommer tilbake om fem dager.")
    other = language_of("Dit fly er aflyst, og pengene kommer tilbage om fem dage.")
    assert found is not None and other is not None and found.family == other.family
    assert language_of("1234 ---") is None
    assert language_of("\ud800") is None


@needs_shared
def test_recorded_runs_are_in_the_users_language() -> None:
    suite = suite_of("[{type: language}, {type: language, name: whole, target: trace}]")
    scores = [s for trace in runs("airline_dev")[:40] for s in decide(suite, trace).scores]
    assert sum(s.passed is True for s in scores) > 100
    assert not [(s.trace_id, s.evidence) for s in scores if s.passed is False]


EASY = "The cat sat on the mat. It was a warm day. The dog ran to the cat, and they had fun. We like to see them play. They go home."
HARD = (
    "Notwithstanding the aforementioned considerations, the administration of reimbursement necessitates comprehensive "
    "documentation substantiating the extraordinary circumstances of the cancellation, in accordance with applicable "
    "regulations governing international transportation and the contractual obligations of the participating carriers."
)


def test_easy_is_easier_than_hard() -> None:
    easy, hard = (
        score_of("{type: readability, options: {min_words: 20}}", said(EASY)),
        score_of("{type: readability}", said(HARD)),
    )
    assert easy.value is not None and hard.value is not None
    assert easy.value > 90 and hard.value < 10 and easy.passed is None
    grade = score_of("{type: readability, options: {formula: grade, max: 12}}", said(HARD))
    assert grade.value is not None and grade.value > 20 and grade.passed is False
    assert grade.evidence[0].quote.startswith("Notwithstanding") and "words a sentence" in grade.explanation
    assert score_of("{type: readability, options: {min: 50, min_words: 20}}", said(EASY)).passed is True


def test_readability_skips() -> None:
    assert score_of("{type: readability}", said("Hello.")).skip_reason == "too_short"
    assert score_of("{type: readability, options: {min_words: 5}}", said(ANSWERS["de"])).skip_reason == "not_english"
    assert scores_of("[{type: readability}]", said("")) == []


def test_counts() -> None:
    counts = counts_of(
        "Dr. Li waits, e.g. here. See https://example.com/a.b!\n\n- one\n- two\n```\ncode here. more.\n```"
    )
    assert (counts.words, counts.sentences) == (6, 4)
    words = {
        "cat": 1,
        "table": 2,
        "make": 1,
        "walked": 1,
        "wanted": 2,
        "boxes": 2,
        "idea": 3,
        "nation": 2,
        "create": 2,
        "information": 4,
        "reading": 2,
        "a": 1,
        "people": 2,
        "science": 2,
        "question": 2,
        "international": 5,
        "the": 1,
    }
    wrong = {word: syllables(word) for word, number in words.items() if syllables(word) != number}
    assert not wrong
