"""Which language a text is in, and who may say so."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies import languages
from studies.languages import DETECTED, UNSURE, Detection, detect, normalise, plain_words

SAID = {
    "en": "I still check every number twice before I send anything to a customer.",
    "es": "Uso la aplicación casi todos los días en el trabajo, aunque a veces se equivoca.",
    "fr": "Je vérifie encore chaque chiffre deux fois avant d'envoyer quoi que ce soit.",
    "de": "Ich prüfe trotzdem jede Zahl zweimal, bevor ich etwas an Kunden schicke.",
    "pt": "Ainda verifico cada número duas vezes antes de enviar alguma coisa ao cliente.",
    "ru": "Я всё равно проверяю каждую цифру дважды, прежде чем что-то отправить.",
    "ar": "ما زلت أراجع كل رقم مرتين قبل أن أرسل أي شيء إلى الزبائن.",
    "hi": "मैं ग्राहक को कुछ भी भेजने से पहले हर संख्या दो बार जाँचता हूँ।",
    "ja": "お客様に何かを送る前に、私はまだすべての数字を二回確認しています。",
    "ko": "저는 고객에게 무언가를 보내기 전에 여전히 모든 숫자를 두 번 확인합니다.",
    "tr": "Müşteriye bir şey göndermeden önce yine de her sayıyı iki kez kontrol ediyorum.",
    "sw": "Bado ninakagua kila namba mara mbili kabla ya kumtumia mteja kitu chochote.",
    "am": "ለደንበኛ ማንኛውንም ነገር ከመላኬ በፊት እያንዳንዱን ቁጥር ሁለት ጊዜ አረጋግጣለሁ።",
    "zh-Hans": "在给客户发任何东西之前，我还是会把每个数字检查两遍。",
    "zh-Hant": "在給客戶發任何東西之前，我還是會把每個數字檢查兩遍。",
}


@pytest.mark.parametrize("language", SAID)
def test_the_language_is_told_with_both_votes(language: str) -> None:
    detected = detect(SAID[language])
    assert (detected.language, detected.source) == (language, DETECTED)
    assert detected.probability is not None
    assert 0.3 <= detected.probability <= 1
    assert detected.votes["py3langid"][0] == language.split("-")[0]
    assert 0 <= detected.votes["py3langid"][1] <= 1


def test_the_same_text_gets_the_same_answer_every_time() -> None:
    assert len({str(detect("no")) for _ in range(5)}) == 1


def test_capitals_are_read_like_small_letters() -> None:
    assert detect(SAID["de"].upper()).language == "de"


@pytest.mark.parametrize("text", ["", "12:30 – 14", "[00:01:02] https://example.org", "!!! 😀"])
def test_what_has_no_words_waits_for_a_person(text: str) -> None:
    assert detect(text, fallback="sw") == ("sw", UNSURE, None, {})


def test_nobody_is_sure_of_a_word_that_is_none() -> None:
    detected = detect("Hm hm mhm", fallback="fi")
    assert (detected.language, detected.source) == ("fi", UNSURE)
    assert detected.votes


def test_a_disagreement_is_settled_among_the_languages_of_the_study(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ranking = [("gl", 0.6), ("pt", 0.35), ("es", 0.05)]
    monkeypatch.setattr(languages, "_py3langid", lambda _words: ranking)
    monkeypatch.setattr(languages, "_langdetect", lambda _words: ("pt", 0.99))
    assert detect("palavras", fallback="und")[:2] == ("und", UNSURE)
    assert detect("palavras", allowed=("pt-BR", "es"))[:2] == ("pt", DETECTED)
    monkeypatch.setattr(languages, "_langdetect", lambda _words: ("gl", 0.99))
    assert detect("palavras", allowed=("pt", "es"))[:2] == ("gl", DETECTED)  # they agree
    monkeypatch.setattr(languages, "_langdetect", lambda _words: None)
    assert detect("palavras", fallback="und")[:2] == ("und", UNSURE)
    ranking[0] = ("gl", 0.7)
    assert detect("palavras")[:2] == ("gl", DETECTED)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("English", "en"),
        ("ENGLISH ", "en"),
        ("en-US", "en"),
        ("en_GB.", ""),
        ("deu", "de"),
        ("ger", "de"),
        ("Deutsch", "de"),
        ("Español", "es"),
        ("Espan\u0303ol", "es"),
        ("日本語", "ja"),
        ("العربية", "ar"),
        ("Kiswahili", "sw"),
        ("zh", "zh"),
        ("zh-CN", "zh-Hans"),
        ("zh_TW", "zh-Hant"),
        ("zh-hant-HK", "zh-Hant"),
        ("Traditional Chinese", "zh-Hant"),
        ("cmn", "zh"),
        ("sr-Latn", "sr-Latn"),
        ("sr-latn-rs", "sr-Latn"),
        ("pt-BR", "pt"),
        ("iw", "he"),
        ("fil", "tl"),
        ("ami", "ami"),
        ("Klingonese", ""),
        ("xx", ""),
        ("", ""),
        ("e", ""),
        ("en; drop table", ""),
    ],
)
def test_codes_and_names_become_one_code(written: str, code: str) -> None:
    assert normalise(written) == code


@given(st.text())
def test_what_is_normal_stays_so(written: str) -> None:
    code = normalise(written)
    assert normalise(code) == code
    assert len(code) <= 35


@given(st.text())
def test_words_are_few_and_without_addresses(text: str) -> None:
    words = plain_words(text + " https://example.org/a me@example.org 00:01:02.500")
    assert len(words) <= languages.MOST
    assert "example.org" not in words
    assert "00:01" not in words


def test_many_texts_are_told_in_order_and_as_one_by_one() -> None:
    names = list(SAID)
    items = [(number, SAID[names[number % len(names)]]) for number in range(60)]
    with Detection() as detection:
        found = list(detection.over(items, lambda item: item[1] if item[0] % 3 else None))
    assert detection._pool is None  # too few to start processes for
    assert [item for item, _detected in found] == items
    for (number, text), detected in found:
        assert detected == (detect(text) if number % 3 else None)


def test_several_processes_say_the_same_as_one() -> None:
    names = list(SAID)
    texts = [SAID[names[number % len(names)]] for number in range(230)]
    with Detection(processes=2) as detection:
        found = [detected for _text, detected in detection.over(texts, lambda text: text)]
        assert detection._pool is not None
    alone = {text: detect(text) for text in set(texts)}
    assert found == [alone[text] for text in texts]


def test_no_more_is_read_ahead_than_is_needed() -> None:
    read = 0

    def endless() -> Iterator[int]:
        nonlocal read
        while True:
            read += 1
            yield read

    with Detection(processes=1) as detection:
        stream = detection.over(endless(), lambda _number: None)
        assert [next(stream)[0] for _ in range(500)] == list(range(1, 501))
    assert read < 500 + 300


KILLED = """
import time
from studies.languages import Detection
if __name__ == "__main__":
    with Detection(processes=2) as detection:
        list(detection.over(["Ich prüfe jede Zahl."] * 250, lambda text: text))
        print(*detection._pool._processes, flush=True)
        time.sleep(60)
"""


def test_the_processes_end_with_the_one_that_started_them_even_if_killed(tmp_path: Path) -> None:
    script = tmp_path / "detects.py"
    script.write_text(KILLED, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(languages.__file__).parents[1])}
    with subprocess.Popen(  # noqa: S603
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(children) == 2
        parent.kill()
        _gone, alive = psutil.wait_procs(children, timeout=10)
    for child in alive:
        child.kill()
    assert not alive
