"""The base of every row that belongs to a tenant, and the two ways to reach such rows.

`Model.objects` refuses to answer without a lab: `Model.objects.for_lab(lab)`. `Model.across_labs` is for sweeps, checks
and Django's own machinery, and is named so that a reviewer sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.db import models

from core.gateways.types import Mode

if TYPE_CHECKING:
    from core.models.labs import Lab

MODES = [(mode.value, mode.value) for mode in Mode]


class NoLab(RuntimeError):
    """A tenant's rows were asked for without naming the tenant."""


def lab_id_of(lab: Lab | int) -> int:
    """The id of a lab given as the row or as its id. Raises NoLab for anything unsaved or of another kind."""
    found = lab if isinstance(lab, int) else getattr(lab, "pk", None)
    if type(found) is not int:
        raise NoLab("name the lab: a saved Lab or its id")
    return found


class AcrossLabs(models.Manager[Any]):
    """Every lab's rows. For sweeps, checks and Django's internals; a view never uses it."""


class LabManager(models.Manager[Any]):
    """Answers only for one lab. Anything else raises NoLab, so that a forgotten filter cannot show a neighbor's rows."""

    def for_lab(self, lab: Lab | int) -> models.QuerySet[Any]:
        """The rows of `lab` (row or id)."""
        return super().get_queryset().filter(lab_id=lab_id_of(lab))

    def get_queryset(self) -> NoReturn:
        raise NoLab(f"{self.model.__name__}.objects needs a lab: use .for_lab(lab), or across_labs where that is meant")

    def create(self, **values: Any) -> Any:
        """Insert one row; `lab` or `lab_id` is among `values`."""
        return self.for_lab(values["lab"] if "lab" in values else values.get("lab_id")).create(**values)  # type: ignore[arg-type]


class LabModel(models.Model):
    """A row of one lab. `lab_id` is never null; children refer by (lab_id, id).

    No index of its own: a model that is read by lab has one that begins with it.
    """

    lab = models.ForeignKey("core.Lab", on_delete=models.PROTECT, related_name="+", db_index=False)

    # First, so that it is Django's default manager: validation, related lookups and dumpdata go on working.
    across_labs = AcrossLabs()
    objects = LabManager()

    class Meta:
        abstract = True

    @classmethod
    def for_lab(cls, lab: Lab | int) -> models.QuerySet[Self]:
        """Short for `cls.objects.for_lab(lab)`."""
        return cls.objects.for_lab(lab)
