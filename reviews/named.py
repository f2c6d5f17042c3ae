"""How runs, people and attributes are called in what is written out of a study."""

import json
from collections import Counter
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q

from codebooks.models import Revision
from coding.models import Coding
from reviews.models import Assignment
from studies.models import Membership, Study


def names_of_runs(study: Study, revision: Revision) -> dict[int, str]:
    """Return the name of each run with `revision`; no two are alike.

    A replicate is the same coder asked again, and no coder of its own.
    """
    runs = dict(study.runs.filter(revision=revision, replicate=0).values_list("pk", "name"))
    often = Counter(runs.values())
    return {pk: f"{name} ({pk})" if often[name] > 1 else name for pk, name in sorted(runs.items())}


def names_of_people(study: Study, revision: Revision) -> dict[int, str]:
    """Return the name of each person who coded with `revision`, was asked, or is in the study.

    Who left the study keeps what they coded, under the name they sign in with.
    """
    everybody = User.objects.filter(
        Q(pk__in=Coding.objects.by_people().filter(revision=revision).values("person"))
        | Q(pk__in=Assignment.objects.filter(item__sample__study=study).values("person"))
    )
    return dict(everybody.values_list("pk", "username")) | dict(
        Membership.objects.filter(study=study).values_list("person_id", "name")
    )


def as_text(value: Any) -> str:
    """Return an attribute as text: lists and the like as JSON.

    >>> as_text(["a", 1]), as_text(34)
    ('["a", 1]', '34')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
