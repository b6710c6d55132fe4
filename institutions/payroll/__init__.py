"""What a payroll pack writes to declare: `Sender`. docs/institutions.md, "Declare"."""

from institutions.payroll.notification import Anomaly, Notification
from institutions.payroll.sender import Sender
from institutions.payroll.workers import ListRefused, Worker
from schemas.declarations.pid import Pids, UnreadablePids
from schemas.declarations.pid import read as read_pids

__all__ = ["Anomaly", "ListRefused", "Notification", "Pids", "Sender", "UnreadablePids", "Worker", "read_pids"]
