"""Wrapped keys. Everything here is sealed with a master key; `core.encryption` is the one reader and writer."""

from __future__ import annotations

from django.db import models

from core.models.base import LabModel


class LabDataKey(LabModel):
    """A lab's data key, wrapped by a master key. The newest not retired seals; every one opens."""

    key_id = models.CharField(max_length=32, unique=True)
    wrapped = models.TextField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lab"], condition=models.Q(retired_at__isnull=True), name="core_labdatakey_one_current"
            )
        ]

    def __str__(self) -> str:
        return self.key_id


class SystemSecret(models.Model):
    """A random key of the whole installation (for keyed hashes), wrapped by a master key; survives its rotation."""

    name = models.CharField(max_length=40, unique=True)
    wrapped = models.TextField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class EncryptionCheck(models.Model):
    """A known text sealed with each master key ever used: start is refused where the key of that id cannot open it."""

    key_id = models.CharField(max_length=32, unique=True)
    sealed = models.TextField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key_id
