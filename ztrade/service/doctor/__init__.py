"""``ztrade doctor``: what would hurt, why, and what mends it; each check a function of what was collected."""

from ztrade.service.doctor.findings import Check, Finding, Result, State, Unknown, examine
from ztrade.service.doctor.registry import CHECKS

__all__ = ["CHECKS", "Check", "Finding", "Result", "State", "Unknown", "examine"]
