"""Codebooks, their frozen revisions, dimensions and codes, and wordings in many languages."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from studies.models import Study


class Codebook(models.Model):
    """What a study looks for, over all its revisions."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="codebooks")
    name = models.CharField(_("name"), max_length=200)
    language = models.CharField(_("language"), max_length=35, default="en")
    derived_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="adaptations"
    )

    class Meta:
        verbose_name = _("codebook")
        verbose_name_plural = _("codebooks")
        constraints = [
            models.UniqueConstraint(
                fields=["study", "name"], name="a_codebook_name_is_used_once_in_a_study"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Revision(models.Model):
    """One state of a codebook; a frozen one never changes."""

    codebook = models.ForeignKey(Codebook, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField(_("number"))
    digest = models.CharField(_("SHA-256 of the content"), max_length=64)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    frozen_at = models.DateTimeField(_("frozen"), null=True, blank=True)

    class Meta:
        verbose_name = _("revision")
        verbose_name_plural = _("revisions")
        ordering = ["codebook", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["codebook", "number"], name="revisions_of_a_codebook_are_numbered"
            )
        ]

    def __str__(self) -> str:
        return f"{self.codebook} {self.number}"


class Kind(models.TextChoices):
    """How many of a dimension's codes may apply to a segment."""

    MANY = "many", _("many codes")
    ONE = "one", _("one code")
    SCALE = "scale", _("a value on a scale")


class Dimension(models.Model):
    """One question that the codebook asks of every segment."""

    revision = models.ForeignKey(Revision, models.CASCADE, related_name="dimensions")
    position = models.PositiveIntegerField(_("position"))
    key = models.SlugField(_("key"), max_length=80)
    label = models.CharField(_("label"), max_length=200)
    question = models.TextField(_("question"), blank=True)
    kind = models.CharField(_("kind"), max_length=5, choices=Kind)
    # Of a dimension with one code: its codes go from one end to the other, in their positions.
    ordered = models.BooleanField(_("the codes stand in an order"), default=False, db_default=False)
    minimum = models.FloatField(_("lowest value"), null=True, blank=True)
    maximum = models.FloatField(_("highest value"), null=True, blank=True)
    low = models.TextField(_("what the lowest value means"), blank=True)
    high = models.TextField(_("what the highest value means"), blank=True)

    class Meta:
        verbose_name = _("dimension")
        verbose_name_plural = _("dimensions")
        ordering = ["revision", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["revision", "key"], name="a_dimension_key_is_used_once_in_a_revision"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=Kind.values), name="a_dimension_is_many_one_or_scale"
            ),
            models.CheckConstraint(
                condition=Q(ordered=False) | Q(kind="one"), name="only_one_of_many_can_be_ordered"
            ),
            models.CheckConstraint(
                condition=~Q(kind="scale") | Q(maximum__gt=F("minimum")),
                name="a_scale_goes_from_low_to_high",
            ),
        ]

    def __str__(self) -> str:
        return self.label


class Code(models.Model):
    """One thing that may be found in a segment. A scale has one code, with the dimension's key."""

    dimension = models.ForeignKey(Dimension, models.CASCADE, related_name="codes")
    position = models.PositiveIntegerField(_("position"))
    key = models.SlugField(_("key"), max_length=80)
    label = models.CharField(_("label"), max_length=200)
    definition = models.TextField(_("definition"), blank=True)
    include = models.TextField(_("use when"), blank=True)
    exclude = models.TextField(_("do not use when"), blank=True)
    # [{"text": "...", "language": "en"}]
    examples = models.JSONField(_("examples"), default=list, blank=True)
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="children"
    )
    color = models.CharField(_("color"), max_length=7, blank=True)
    guid = models.UUIDField(_("GUID"), default=uuid.uuid4, editable=False)

    class Meta:
        verbose_name = _("code")
        verbose_name_plural = _("codes")
        ordering = ["dimension", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["dimension", "key"], name="a_code_key_is_used_once_in_a_dimension"
            )
        ]

    def __str__(self) -> str:
        return self.label


class Wording(models.Model):
    """How a dimension or a code is put in another language."""

    dimension = models.ForeignKey(
        Dimension, models.CASCADE, null=True, blank=True, related_name="wordings"
    )
    code = models.ForeignKey(Code, models.CASCADE, null=True, blank=True, related_name="wordings")
    language = models.CharField(_("language"), max_length=35)
    # For a code: label, definition, include, exclude; for a dimension: label, question, low, high.
    texts = models.JSONField(_("texts"), default=dict)

    class Meta:
        verbose_name = _("wording")
        verbose_name_plural = _("wordings")
        constraints = [
            models.UniqueConstraint(
                fields=["code", "language"], name="a_code_is_worded_once_in_a_language"
            ),
            models.UniqueConstraint(
                fields=["dimension", "language"], name="a_dimension_is_worded_once_in_a_language"
            ),
            models.CheckConstraint(
                condition=Q(code=None) ^ Q(dimension=None),
                name="a_wording_is_of_a_code_or_a_dimension",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.language}: {self.texts.get('label', '')}"
