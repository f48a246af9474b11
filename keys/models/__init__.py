"""The rows of keys: one module a noun."""

from keys.models.exposed import Exposed
from keys.models.key import ApiKey, Secret
from keys.models.limit import KeyLimit, Limit
from keys.models.usage import (
    Decision,
    DrainPosition,
    HourlyUsage,
    QuotaWindow,
    SecretUse,
    Seen,
    TenantUsage,
    UnknownKeys,
)

__all__ = [
    "ApiKey",
    "Decision",
    "DrainPosition",
    "Exposed",
    "HourlyUsage",
    "KeyLimit",
    "Limit",
    "QuotaWindow",
    "Secret",
    "SecretUse",
    "Seen",
    "TenantUsage",
    "UnknownKeys",
]
