"""Translations of interviews for people who do not read their language; never evidence.

A translation is kept beside the interview, turn by turn, and says who or what made it.
"""

from collections.abc import Mapping, Sequence

from .models import Transcript, Translation


def keep(
    transcript: Transcript, language: str, words: Mapping[int, str], *, maker: str, machine: bool
) -> Translation:
    """Keep `words` (where a turn starts, and what it says there) in the place of an older one."""
    translation, _new = Translation.objects.update_or_create(
        transcript=transcript,
        language=language,
        defaults={
            "turns": {str(start): said for start, said in sorted(words.items())},
            "maker": maker,
            "machine": machine,
        },
    )
    return translation


def languages_of(transcript: Transcript) -> list[str]:
    """Return into which languages an interview is translated, without reading what it says."""
    rows = transcript.translations.order_by("language")
    return list(rows.values_list("language", flat=True))


def translation_of(transcript: Transcript, read: Sequence[str]) -> Translation | None:
    """Return the translation into the first language of `read` that there is, or else any.

    A language is matched whole, then without its region or script ("pt" for "pt-BR"). None if
    there is none, or if the interview itself is in a language that is read.
    """
    wanted = [name for language in read for name in (language, language.partition("-")[0])]
    if transcript.language in wanted:
        return None
    there = languages_of(transcript)
    plain = {name.partition("-")[0]: name for name in reversed(there)}
    found = next(
        (
            name if name in there else plain[name]
            for name in wanted
            if name in plain or name in there
        ),
        None,
    )
    chosen = found or next(iter(there), None)
    return transcript.translations.get(language=chosen) if chosen else None


def words_of(translation: Translation) -> dict[int, str]:
    """Return where each translated turn starts in the interview’s text, and its words."""
    return {int(start): said for start, said in translation.turns.items()}
