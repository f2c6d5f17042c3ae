"""The design record: from it the same report is made again, bit for bit, or is said to differ."""

import json
from pathlib import Path
from typing import Any

from codebooks.models import Revision
from coding.models import Run
from reviews.fingerprints import VERSION
from reviews.models import Item, Sample
from reviews.reports import Report, as_json, report
from reviews.sampling import rounds
from studies.models import Study
from studies.problems import Problem, _

KIND = "concord design record"


def design_record(made: Report) -> dict[str, Any]:
    """Return what was drawn, by whom it was coded, and what the report was asked."""
    told = as_json(made)
    items: list[list[Any]] = []
    digest = ""
    if made.sample:
        sample = Sample.objects.get(pk=made.sample.id)
        digest = sample.revision.digest
        items = [
            [transcript, segment, stratum, inclusion, number]
            for transcript, segment, stratum, inclusion, number in Item.objects.filter(
                sample__in=rounds(sample)
            )
            .order_by("sample", "position")
            .values_list(
                "segment__transcript__external_id",
                "segment__index",
                "stratum",
                "inclusion",
                "sample",
            )
        ]
    elif made.run:
        digest = Revision.objects.get(runs=made.run.id).digest
    run = Run.objects.filter(pk=made.run.id).first() if made.run else None
    return {
        "kind": KIND,
        "version": VERSION,
        "study": made.study,
        "fictional": made.fictional,
        "codebook": {"name": made.codebook, "revision": made.revision, "digest": digest},
        "run": {**(told["run"] or {}), "parameters": run.parameters if run else {}},
        "sample": told["sample"],
        "blind": True,
        "items": {
            "columns": ["transcript", "segment", "stratum", "inclusion", "round"],
            "rows": items,
        },
        "asked": {"by": list(made.by), "seed": made.seed, "replicates": made.replicates},
        "fingerprint": made.fingerprint,
    }


def from_record(study: Study, path: Path) -> Report:
    """Return the report that the record at `path` is of; a Problem if its rows have changed."""
    try:
        record = json.loads(path.read_text("utf-8"))
        asked = record["asked"]
        run, sample = record["run"].get("id"), (record["sample"] or {}).get("id")
        found = record["kind"], record["study"], record["version"], record["fingerprint"]
    except OSError as error:
        raise Problem(_("The file “%(path)s” can’t be read."), path=path.name) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(_("“%(path)s” is no design record."), path=path.name) from error
    kind, slug, version, fingerprint = found
    if kind != KIND or slug != study.slug:
        raise Problem(
            _("“%(path)s” is no design record of “%(study)s”."), path=path.name, study=study.slug
        )
    if version != VERSION:
        raise Problem(
            _("The record is of another version of Concord’s report (%(there)s, here %(here)s)."),
            there=version,
            here=VERSION,
        )
    made = report(
        study,
        by=asked["by"],
        run=run,
        sample=sample,
        seed=asked["seed"],
        replicates=asked["replicates"],
    )
    if made.fingerprint != fingerprint:
        raise Problem(
            _(
                "Codings, rulings or interviews have changed since the record was made, so the "
                "report would not be the same."
            )
        )
    return made
