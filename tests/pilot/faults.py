"""All faults by phase: id, title, the gate that must be the first to catch it, what it says, and the edit."""

from __future__ import annotations

from . import faults_delivery, faults_export, faults_ingestion
from .edits import Fault

FAULTS: tuple[Fault, ...] = (*faults_export.FAULTS, *faults_ingestion.FAULTS, *faults_delivery.FAULTS)
