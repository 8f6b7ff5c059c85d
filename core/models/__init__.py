"""The tables of core: tenants and their people, keys, idempotency, audit log, outbox, wrapped secrets."""

from core.models.base import AcrossLabs, LabManager, LabModel, NoLab, lab_id_of
from core.models.labs import ApiKey, Customer, Lab, Membership, Role, Scope
from core.models.records import AuditLog, IdempotencyKey, OutboxEvent
from core.models.secrets import EncryptionCheck, LabDataKey, SystemSecret

__all__ = [
    "AcrossLabs",
    "ApiKey",
    "AuditLog",
    "Customer",
    "EncryptionCheck",
    "IdempotencyKey",
    "Lab",
    "LabDataKey",
    "LabManager",
    "LabModel",
    "Membership",
    "NoLab",
    "OutboxEvent",
    "Role",
    "Scope",
    "SystemSecret",
    "lab_id_of",
]
