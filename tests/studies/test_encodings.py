"""Which encoding bytes are in."""

import io
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.documents import read
from studies.encodings import encoding_of
from studies.languages import guess
from studies.sources import Source

SAMPLES = {
    "en": "It’s “good” — I’d say; it cost me £5 and a week of work, that’s all I can tell.",
    "fr": "Je l’ai déjà utilisé à l’école, où les élèves préfèrent ça ; c’était très gênant.",
    "de": "Für mich wäre das zu früh, größere Änderungen müssen wir später prüfen.",
    "pl": "Wydaje mi się, że to nie jest dobry pomysł, ponieważ ludzie wciąż są ostrożni.",
    "cs": "Myslím, že to není dobrý nápad, protože lidé jsou stále příliš opatrní a řeší jiné.",
    "tr": "Bence bu iyi bir fikir değil, çünkü insanlar hâlâ çok dikkatli ve başka işleri var.",
    "lt": "Manau, kad tai nėra gera mintis, nes žmonės vis dar yra labai atsargūs šiuo klausimu.",
    "ru": "Я думаю, что это не очень хорошая мысль, потому что люди всё ещё осторожны.",
    "el": "Νομίζω ότι δεν είναι καλή ιδέα, γιατί οι άνθρωποι είναι ακόμα προσεκτικοί.",
    "ar": "أعتقد أن هذه ليست فكرة جيدة لأن الناس ما زالوا حذرين جدا في هذا الأمر.",
    "he": "אני חושב שזה לא רעיון טוב כי אנשים עדיין זהירים מאוד בעניין הזה.",
    "ja": "あまり良い考えではないと思います。人々はまだとても慎重ですから。",
    "zh": "我觉得这不是一个好主意，因为大家对这件事还是非常谨慎。",
    "zh-Hant": "我覺得這不是一個好主意，因為大家對這件事還是非常謹慎。",
    "ko": "사람들이 아직 매우 조심스럽기 때문에 좋은 생각이 아니라고 생각합니다.",
}


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        ("en", "cp1252"),
        ("fr", "cp1252"),
        ("de", "cp1252"),
        ("de", "mac_roman"),
        ("de", "cp850"),
        ("pl", "cp1250"),
        ("cs", "cp1250"),
        ("cs", "iso8859_2"),
        ("tr", "cp1254"),
        ("lt", "cp1257"),
        ("ru", "cp1251"),
        ("ru", "koi8_r"),
        ("ru", "cp866"),
        ("ru", "iso8859_5"),
        ("el", "cp1253"),
        ("ar", "cp1256"),
        ("he", "cp1255"),
        ("ja", "shift_jis"),
        ("ja", "euc_jp"),
        ("zh", "gb18030"),
        ("zh-Hant", "big5"),
        ("ko", "cp949"),
        *((language, "utf-8") for language in SAMPLES),
        *((language, "utf-8-sig") for language in SAMPLES),
        *((language, "utf-16") for language in SAMPLES),
        *((language, "utf-16-le") for language in SAMPLES),
        *((language, "utf-16-be") for language in SAMPLES),
        ("ru", "utf-32"),
    ],
)
def test_a_text_reads_the_same_in_whatever_encoding_it_comes(language: str, encoding: str) -> None:
    text = "id,text\n" + "".join(f'{row},"{SAMPLES[language]}"\n' for row in range(4))
    data = text.encode(encoding, "ignore")
    found = encoding_of(io.BytesIO(data), guess)
    assert data.decode(found) == data.decode(encoding)


def test_a_code_page_is_seen_although_its_first_letter_comes_late() -> None:
    data = b"plain words\n" * 200_000 + "It’s late".encode("cp1252")
    assert encoding_of(io.BytesIO(data), guess) == "cp1252"


def test_a_few_bad_bytes_do_not_make_another_encoding_of_utf_8() -> None:
    data = SAMPLES["fr"].encode() * 20 + b"\x92" + SAMPLES["de"].encode() * 20
    assert encoding_of(io.BytesIO(data), guess) == "utf-8"


@pytest.mark.parametrize("language", ["ru", "he", "ja", "zh", "ko"])
def test_a_text_in_utf_16_without_a_mark_is_no_picture(language: str) -> None:
    text = f"Q: {SAMPLES[language]}\nA: {SAMPLES[language]}\n"
    for encoding in ("utf-16-le", "utf-16-be"):
        data = text.encode(encoding)
        source = Source("a.txt", "a", "txt", len(data), True, partial(io.BytesIO, data))
        assert read(source).text == text


def test_an_empty_file_is_utf_8() -> None:
    assert encoding_of(io.BytesIO(b""), guess) == "utf-8"


@given(st.text())
def test_utf_8_is_always_recognised(text: str) -> None:
    if "\x00" not in text:
        assert encoding_of(io.BytesIO(text.encode()), guess) in ("utf-8", "utf-8-sig")


@given(st.binary(max_size=300))
def test_any_bytes_get_an_encoding_python_knows(data: bytes) -> None:
    found = encoding_of(io.BytesIO(data), lambda _text: "en")
    assert isinstance(data.decode(found, "replace"), str)
