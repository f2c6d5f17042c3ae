"""A codebook's file becomes a revision, and becomes it again without harm."""

from pathlib import Path

import pytest
from django.db import IntegrityError

from codebooks.exchange import Book, digest, parsed, read
from codebooks.imports import import_codebook, keep, place_of
from codebooks.models import Code, Codebook, Dimension, Revision, Wording
from codebooks.revisions import as_book, freeze
from studies.audit import NAMES
from studies.models import Study
from studies.problems import Problem
from tests.factories import make_coding, make_run, make_segment, make_study

pytestmark = pytest.mark.django_db

YAML = """\
name: Hopes
language: es
dimensions:
  - key: worries
    label: Worries
    kind: many
    wordings: {de: {label: Sorgen}}
    codes:
      - {key: work, label: Work, color: "#0072B2", wordings: {de: {label: Arbeit}}}
      - {key: pay, label: Pay, parent: work,
         examples: [Gano poco., {text: Zu wenig., language: de}]}
  - key: trust
    label: Trust
    kind: scale
    scale: {minimum: 0, maximum: 100, low: none, high: all}
"""


def book(said: str = YAML) -> Book:
    return parsed(said.encode(), "book.yaml")


def changed() -> Book:
    return book(YAML.replace("label: Pay", "label: Wage"))


def given_file(folder: Path, content: str = YAML) -> Path:
    path = folder / "book.yaml"
    path.write_text(content)
    return path


def test_a_file_becomes_a_revision_that_says_the_same(tmp_path: Path) -> None:
    study = make_study()
    path = given_file(tmp_path)
    revision = import_codebook(study, path)
    assert (revision.codebook.name, revision.codebook.language, revision.number) == (
        "Hopes",
        "es",
        1,
    )
    assert revision.frozen_at is None
    assert as_book(revision) == read(path)
    assert revision.digest == digest(as_book(revision))
    pay = Code.objects.get(key="pay")
    assert pay.parent == Code.objects.get(key="work")
    assert pay.examples == [
        {"text": "Gano poco.", "language": "es"},
        {"text": "Zu wenig.", "language": "de"},
    ]
    assert Wording.objects.filter(language="de").count() == 2


def test_a_scale_has_one_code_with_the_key_of_its_dimension(tmp_path: Path) -> None:
    import_codebook(make_study(), given_file(tmp_path))
    trust = Dimension.objects.get(key="trust")
    assert (trust.minimum, trust.maximum, trust.low, trust.high) == (0, 100, "none", "all")
    assert [(code.key, code.label) for code in trust.codes.all()] == [("trust", "Trust")]


def test_the_same_content_is_the_same_revision_even_when_frozen(tmp_path: Path) -> None:
    study = make_study()
    first = import_codebook(study, given_file(tmp_path))
    assert import_codebook(study, given_file(tmp_path)) == first
    freeze(first)
    assert import_codebook(study, given_file(tmp_path, "# Only a comment.\n" + YAML)) == first
    assert Revision.objects.count() == 1


def test_a_revision_that_nobody_uses_is_replaced_in_place(tmp_path: Path) -> None:
    study = make_study()
    first = import_codebook(study, given_file(tmp_path))
    guid = Code.objects.get(key="pay").guid
    second = import_codebook(study, given_file(tmp_path, YAML.replace("label: Pay", "label: Wage")))
    assert second == first
    assert second.number == 1
    assert second.digest == digest(as_book(second))
    pay = Code.objects.get(key="pay")
    assert (pay.label, pay.guid) == ("Wage", guid)


def test_a_frozen_revision_gets_a_successor_and_stays_as_it_is(tmp_path: Path) -> None:
    study = make_study()
    first = freeze(import_codebook(study, given_file(tmp_path)))
    before = as_book(first)
    second = import_codebook(study, given_file(tmp_path, YAML.replace("label: Pay", "label: Wage")))
    assert (second.number, second.frozen_at) == (2, None)
    assert as_book(first) == before
    guids = Code.objects.filter(key="pay").values_list("guid", flat=True)
    assert len(guids) == 2
    assert len(set(guids)) == 1


def test_a_revision_in_use_gets_a_successor_although_it_is_not_frozen(tmp_path: Path) -> None:
    study = make_study()
    first = import_codebook(study, given_file(tmp_path))
    make_coding(make_segment("Gano poco.", study), first, run=make_run(first))
    second = import_codebook(study, given_file(tmp_path, YAML.replace("kind: many", "kind: one")))
    assert second.number == 2
    assert first.dimensions.get(key="worries").kind == "many"


def test_another_name_or_another_study_is_another_codebook(tmp_path: Path) -> None:
    study = make_study()
    import_codebook(study, given_file(tmp_path))
    named = import_codebook(study, given_file(tmp_path), "  My   own ")
    assert named.codebook.name == "My own"
    other = import_codebook(make_study(), given_file(tmp_path))
    assert {other.number, named.number} == {1}
    assert Codebook.objects.count() == 3


def test_a_file_with_a_mistake_imports_nothing(tmp_path: Path) -> None:
    study = make_study()
    with pytest.raises(Problem, match="Line 14: “several” is no kind"):
        import_codebook(study, given_file(tmp_path, YAML.replace("kind: scale", "kind: several")))
    with pytest.raises(Problem, match="1 to 200"):
        import_codebook(study, given_file(tmp_path), "x" * 201)
    assert not Codebook.objects.exists()
    assert Study.objects.count() == 1


def test_a_large_codebook_is_imported_in_few_queries(
    tmp_path: Path, django_assert_max_num_queries: object
) -> None:
    codes = "".join(f"      - {{key: c{n}, label: C {n}}}\n" for n in range(300))
    content = f"dimensions:\n  - key: a\n    kind: many\n    codes:\n{codes}"
    study = make_study()
    with django_assert_max_num_queries(25):  # type: ignore[operator]  # a fixture of pytest-django
        import_codebook(study, given_file(tmp_path, content))
    assert Code.objects.count() == 300


ORDERED = """\
name: Stances
dimensions:
  - key: stance
    label: Stance
    kind: ordered
    codes: [Bad, Mixed, Good]
"""


def test_codes_that_stand_in_an_order_stay_so_and_another_order_is_another_revision(
    tmp_path: Path,
) -> None:
    study = make_study()
    revision = import_codebook(study, given_file(tmp_path, ORDERED))
    dimension = revision.dimensions.get()
    assert (dimension.kind, dimension.ordered) == ("one", True)
    assert as_book(revision) == read(tmp_path / "book.yaml")
    freeze(revision)
    turned = given_file(tmp_path, ORDERED.replace("Bad, Mixed, Good", "Good, Mixed, Bad"))
    assert import_codebook(study, turned).number == 2
    plain = given_file(tmp_path, ORDERED.replace("ordered", "one"))
    assert import_codebook(study, plain).dimensions.get().ordered is False


def test_only_one_of_many_can_be_ordered(tmp_path: Path) -> None:
    revision = import_codebook(make_study(), given_file(tmp_path))
    with pytest.raises(IntegrityError, match="only_one_of_many_can_be_ordered"):
        revision.dimensions.filter(key="worries").update(ordered=True)


def test_a_book_is_kept_in_its_place_or_nowhere() -> None:
    study = make_study()
    place = place_of(study, book())
    assert (place.latest, place.number, place.replaces) == (None, 1, False)
    first = keep(study, book(), stamp=place.stamp)
    assert keep(study, book(), stamp=place.stamp) == first
    with pytest.raises(Problem, match="Somebody changed “Hopes” meanwhile"):
        keep(study, changed(), stamp=place.stamp)
    place = place_of(study, changed())
    assert (place.latest, place.number, place.replaces) == (first, 1, True)
    freeze(first)
    with pytest.raises(Problem, match="meanwhile"):
        keep(study, changed(), stamp=place.stamp)
    assert keep(study, changed(), stamp=place_of(study, changed()).stamp).number == 2
    assert as_book(first) == book()


def test_what_is_kept_of_another_study_says_whose_it_was_and_keeps_its_guids() -> None:
    study, elsewhere = make_study(), make_study("elsewhere")
    source = keep(elsewhere, book())
    taken = keep(study, as_book(source), "Ours", source=source)
    assert (taken.codebook.derived_from, taken.digest) == (source.codebook, source.digest)
    event = study.events.get()
    assert event.after
    assert (event.action, event.after["from"]) == ("codebook_taken_over", "elsewhere: Hopes 1")
    assert set(event.after) <= set(NAMES)
    # Of a scale, too.
    guids = Code.objects.values_list("key", "guid")
    assert guids.count() == 6
    assert len(set(guids)) == 3


@pytest.mark.parametrize("name", ["a\x00b", "x" * 201, " \n "])
def test_a_name_that_cannot_be_kept_is_refused(name: str) -> None:
    with pytest.raises(Problem, match="needs a name of 1 to 200 characters"):
        keep(make_study(), book(), name)
    assert not Codebook.objects.exists()
