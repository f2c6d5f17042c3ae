"""Who is asked to translate, and what it would cost: nothing here is sent that costs money."""

import json
import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, QuerySet, Sum

from coding.coders import Passage, Usage
from coding.coders.services import chosen, is_regional, model_for
from coding.ledger import KNOWN
from coding.models import Outcome, TranslationAttempt
from coding.prices import Price, price
from coding.translation_prompts import (
    INSTRUCTIONS,
    PIECE,
    SCHEMA,
    bits,
    message,
    passage_of,
    pieces,
)
from coding.translations import foreign, to_do, untranslated
from studies.languages import english
from studies.models import Study, Transcript
from studies.problems import Problem
from studies.translations import base
from studies.turns import with_roles

log = logging.getLogger(__name__)

SAMPLE = 20  # interviews whose tokens are counted for an estimate
BYTES_A_TOKEN = 3.2  # where nobody can count them
OUTPUT = 1.4  # tokens of a translation for each token of what is translated
ENOUGH = 20  # answers from which the length of the others is taken


def asked_of(model: str, service: str) -> tuple[str, str, Price]:
    """Return which model is asked through which service, and what it costs there."""
    from coding.coders.claude import MODEL

    service = chosen(service)
    model = model_for(service, model, MODEL)
    return model, service, price(model, service=service, regional=is_regional(service, model))


def translator_for(into: str, model: str, base_url: str, service: str) -> Any:
    """Return who translates `into` a language; a missing key is a Problem."""
    from coding.coders.translator import ClaudeTranslator

    return ClaudeTranslator(into_words(into), model, base_url=base_url or None, platform=service)


def into_words(language: str) -> str:
    """Return a language as a model is told it: by its name in English, and its tag.

    >>> into_words("pt"), into_words("zh-Hant")
    ('Portuguese (pt)', 'Traditional Chinese (zh-Hant)')
    """
    name = english(language) or english(base(language))
    return f"{name} ({language})" if name else language


@dataclass(frozen=True)
class Estimate:
    """What is left to translate would cost `usd`; tokens are by `counted_by` ("count_tokens" or
    "characters")."""

    into: str
    interviews: int
    characters: int
    requests: int
    model: str
    service: str
    input_tokens: int
    output_tokens: int
    usd: Decimal
    prices_of: str
    counted_by: str

    def as_json(self) -> dict[str, Any]:
        """Return the estimate as JSON."""
        return {**asdict(self), "usd": float(self.usd)}


def estimate(
    study: Study,
    into: str,
    *,
    model: str = "",
    base_url: str = "",
    service: str = "",
    languages: Sequence[str] = (),
    within: "QuerySet[Any] | None" = None,
    again_failed: bool = False,
) -> Estimate:
    """Return what it would cost to translate what is left; nothing is sent that costs money."""
    model, service, rate = asked_of(model, service)
    rows = foreign(study, into, languages, within)
    left = untranslated(rows, into) if again_failed else to_do(study, rows, into)
    sums = left.aggregate(
        interviews=Count("pk"),
        characters=Sum("length"),
        requests=Sum((F("length") + PIECE - 1) / PIECE),
    )
    interviews, characters = sums["interviews"], sums["characters"] or 0
    requests = sums["requests"] or 0
    sample = sampled(study, left)
    try:
        counted_by = "count_tokens"
        with closing(translator_for(into, model, base_url, service)) as translator:
            said = [translator.message(passage) for passage in sample]
            tokens = sum(translator.counted(one) for one in said)
            shared = translator.shared() if said else 0
    except Exception as error:  # whatever is in the way, an estimate is still wanted
        if not isinstance(error, Problem):
            log.info("count_tokens: %s", type(error).__name__)
        counted_by = "characters"
        said = [message(passage, into_words(into)) for passage in sample]
        tokens = round(sum(len(one.encode("utf-8", "replace")) for one in said) / BYTES_A_TOKEN)
        shared = round(len((INSTRUCTIONS + json.dumps(SCHEMA)).encode()) / BYTES_A_TOKEN)
    seen = sum(passage.end - passage.start for passage in sample)
    words = round(tokens * characters / seen) if seen else 0
    usage = Usage(input=words + requests * shared, output=round(words * output_for(study, into)))
    return Estimate(
        into=into,
        interviews=interviews,
        characters=characters,
        requests=requests,
        model=model,
        service=service,
        input_tokens=usage.input,
        output_tokens=usage.output,
        usd=replace(rate, long=None).cost(usage),
        prices_of=rate.date,
        counted_by=counted_by,
    )


def sampled(study: Study, left: "QuerySet[Transcript]") -> list[Passage]:
    """Return the first pieces of some of the interviews that are `left`, spread over all."""
    keys = list(left.order_by("pk").values_list("pk", flat=True))
    step = max(1, len(keys) // SAMPLE)
    found = []
    for row in Transcript.objects.filter(pk__in=keys[::step][:SAMPLE]).order_by("pk"):
        all_bits = bits(row.text, with_roles(row.turns, study.speaker_roles))
        if made := pieces(all_bits):
            found.append(passage_of(row.text, all_bits, made[0], row.language))
    return found


def output_for(study: Study, into: str) -> float:
    """Return how many tokens of answer come on each of the message, by what the ledger says."""
    rows = TranslationAttempt.objects.filter(
        KNOWN, run__study=study, run__language=into, outcome=Outcome.OK
    )
    sums = rows.aggregate(count=Count("pk"), input=Sum("input_tokens"), output=Sum("output_tokens"))
    if sums["count"] < ENOUGH or not sums["input"]:
        return OUTPUT
    return float(sums["output"]) / float(sums["input"])
