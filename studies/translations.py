"""Translations of interviews for people who do not read their language; never evidence.

A translation is kept beside the interview, turn by turn, and says who or what made it.
"""

from collections.abc import Mapping, Sequence

from .languages import normalise
from .models import Transcript, Translation


def keep(
    transcript: Transcript, language: str, words: Mapping[int, str], *, maker: str, machine: bool
) -> Translation:
    """Keep `words` (where a turn starts, and what it says there) in the place of an older one."""
    translation, _new = Translation.objects.update_or_create(
        transcript=transcript,
        language=language,
        defaults={"turns": as_kept(words), "maker": maker, "machine": machine},
    )
    return translation


def as_kept(words: Mapping[int, str]) -> dict[str, str]:
    """Return `words` as a translation keeps them."""
    return {str(start): said for start, said in sorted(words.items())}


def languages_of(transcript: Transcript) -> list[str]:
    """Return into which languages an interview is translated, without reading what it says."""
    rows = transcript.translations.order_by("language")
    return list(rows.values_list("language", flat=True))


def translation_of(transcript: Transcript, read: Sequence[str]) -> Translation | None:
    """Return the translation into the first language of `read` that there is, or else any.

    Of those that are not read, English, the one that most people read a little, comes first. A
    language is matched whole, then without its region or script ("pt" for "pt-BR"). None if there
    is none, or if the interview itself is in a language that is read, in whatever script,
    unless it is translated into the very script that is named.
    """
    wanted = [normalise(language) or language for language in read]
    own = transcript.language
    if own in wanted:
        return None
    there = languages_of(transcript)
    if kin := [language for language in wanted if base(language) == base(own)]:
        chosen = next((language for language in kin if language in there), "")
    else:
        chosen = next(
            (name for language in wanted for name in nearest(language, there)),
            min(there, key=lambda name: base(name) != "en", default=""),
        )
    return transcript.translations.get(language=chosen) if chosen else None


def base(language: str) -> str:
    """Return `language` without region or script.

    >>> base("zh-Hant"), base("pt")
    ('zh', 'pt')
    """
    return language.partition("-")[0]


def nearest(language: str, there: Sequence[str]) -> list[str]:
    """Return which of `there` a reader of `language` can read, the best first.

    >>> nearest("zh-Hant", ["en", "zh", "zh-Hans"])
    ['zh', 'zh-Hans']
    """
    kin = [name for name in there if base(name) == base(language)]
    return sorted(kin, key=lambda name: (name != language, name != base(language)))


def words_of(translation: Translation) -> dict[int, str]:
    """Return where each translated turn starts in the interview’s text, and its words."""
    return {int(start): said for start, said in translation.turns.items()}
