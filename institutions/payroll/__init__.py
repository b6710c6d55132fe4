"""What a payroll pack writes to declare: `Sender`. docs/institutions.md, "Declare"."""

from institutions.payroll.check import Employers
from institutions.payroll.notification import Anomaly, Notification
from institutions.payroll.publisher import CannotPublish, Progress
from institutions.payroll.report import Report
from institutions.payroll.sender import Sender
from institutions.payroll.state import Outcome, StateError
from institutions.payroll.workers import ListRefused, Worker
from schemas.declarations.pid import Pids, UnreadablePids
from schemas.declarations.pid import read as read_pids

__all__ = [
    "Anomaly",
    "CannotPublish",
    "Employers",
    "ListRefused",
    "Notification",
    "Outcome",
    "Pids",
    "Progress",
    "Report",
    "Sender",
    "StateError",
    "UnreadablePids",
    "Worker",
    "read_pids",
]
