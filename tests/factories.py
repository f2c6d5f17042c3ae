"""Rows for tests: say only what matters to the sentence, the rest is made up."""

import hashlib
from collections.abc import Collection, Sequence
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from codebooks.models import Code, Codebook, Dimension, Kind, Revision
from coding.models import CoderKind, Coding, Mark, Run
from reviews.models import Item, Sample
from studies.models import Membership, Participant, Role, Segment, Study, Transcript

numbers = count(1)


def make_study(slug: str = "", **fields: Any) -> Study:
    slug = slug or f"study-{next(numbers)}"
    return Study.objects.create(**{"slug": slug, "name": slug.capitalize(), **fields})


def make_person(name: str = "", study: Study | None = None, role: Role = Role.CODER) -> User:
    name = name or f"person-{next(numbers)}"
    person = User.objects.create_user(name, password="a long password")
    if study:
        Membership.objects.create(study=study, person=person, name=name, role=role)
    return person


def make_file(
    name: str = "interviews.csv", holds: str | bytes = "id,text\n1,I hope so.\n"
) -> SimpleUploadedFile:
    """Return a file as a browser sends it."""
    return SimpleUploadedFile(name, holds.encode() if isinstance(holds, str) else holds)


def make_transcript(text: str, study: Study | None = None, **fields: Any) -> Transcript:
    """Return a transcript whose whole text is one participant's turn, unless `turns` says else."""
    study = study or make_study()
    external_id = fields.pop("external_id", f"t{next(numbers)}")
    attributes = fields.pop("attributes", {})
    participant, _ = Participant.objects.get_or_create(
        study=study, external_id=external_id, defaults={"attributes": attributes}
    )
    return Transcript.objects.create(
        **{
            "study": study,
            "participant": participant,
            "external_id": external_id,
            "text": text,
            "language": "en",
            "language_source": "declared",
            "turns": [[0, len(text), "", "participant"]],
            "digest": hashlib.sha256(text.encode()).hexdigest(),
            "length": len(text),
            **fields,
        }
    )


def make_segment(text: str, study: Study | None = None, **fields: Any) -> Segment:
    transcript = make_transcript(text, study, **fields)
    return Segment.objects.create(transcript=transcript, index=1, start=0, end=len(text))


def make_revision(
    study: Study | None = None, many: Sequence[str] = ("hope", "worry"), **dimensions: Any
) -> Revision:
    """Return a revision with a `many` dimension, topics; `one=[...]`, `scale=(0, 100)` add more."""
    study = study or make_study()
    codebook = Codebook.objects.create(study=study, name=f"codebook {next(numbers)}")
    revision = Revision.objects.create(codebook=codebook, number=1, digest=str(next(numbers)))
    topics = Dimension.objects.create(
        revision=revision, position=1, key="topics", label="Topics", kind=Kind.MANY
    )
    for position, key in enumerate(many, 1):
        Code.objects.create(dimension=topics, position=position, key=key, label=key.capitalize())
    if one := dimensions.get("one"):
        stance = Dimension.objects.create(
            revision=revision, position=2, key="stance", label="Stance", kind=Kind.ONE
        )
        for position, key in enumerate(one, 1):
            Code.objects.create(
                dimension=stance, position=position, key=key, label=key.capitalize()
            )
    if scale := dimensions.get("scale"):
        trust = Dimension.objects.create(
            revision=revision,
            position=3,
            key="trust",
            label="Trust",
            kind=Kind.SCALE,
            minimum=scale[0],
            maximum=scale[1],
        )
        Code.objects.create(dimension=trust, position=1, key="trust", label="Trust")
    return revision


def make_run(revision: Revision, **fields: Any) -> Run:
    return Run.objects.create(
        **{
            "study": revision.codebook.study,
            "revision": revision,
            "coder": CoderKind.EMBEDDED,
            "name": f"run {next(numbers)}",
            "model": "test",
            **fields,
        }
    )


def make_coding(
    segment: Segment,
    revision: Revision,
    *,
    run: Run | None = None,
    person: User | None = None,
    codes: Sequence[str] = (),
    values: dict[str, float] | None = None,
) -> Coding:
    """Return a coding of all dimensions; `codes` apply, `values` are on scales."""
    coding = Coding.objects.create(
        segment=segment,
        revision=revision,
        run=run,
        person=person,
        dimensions=list(revision.dimensions.values_list("key", flat=True)),
    )
    wanted = {**dict.fromkeys(codes), **(values or {})}
    for code in Code.objects.filter(dimension__revision=revision, key__in=wanted):
        Mark.objects.create(coding=coding, code=code, value=wanted[code.key])
    return coding


def make_sample(run: Run, segments: Collection[Segment], **fields: Any) -> Sample:
    """Return a sample of `segments` in one stratum, out of all the study's segments."""
    population = Segment.objects.filter(transcript__study=run.study).count()
    sample = Sample.objects.create(
        **{
            "study": run.study,
            "revision": run.revision,
            "run": run,
            "design": {
                "strata": [],
                "sizes": [{"key": "", "population": population, "drawn": len(segments)}],
            },
            "seed": 1,
            "frame_digest": "0" * 64,
            **fields,
        }
    )
    for position, segment in enumerate(segments, 1):
        Item.objects.create(
            sample=sample,
            segment=segment,
            position=position,
            stratum="",
            inclusion=len(segments) / population,
        )
    return sample
