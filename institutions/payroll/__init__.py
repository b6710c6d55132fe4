"""What a payroll pack writes to declare: `Sender`. docs/institutions.md, "Declare"."""

from institutions.payroll.check import Employers
from institutions.payroll.notification import Anomaly, Notification
from institutions.payroll.publisher import CannotPublish, Progress
from institutions.payroll.report import Report
from institutions.payroll.sender import Sender
from institutions.payroll.state import Outcome, StateError
from institutions.payroll.workers import ListRefused, Worker

__all__ = [
    "Anomaly",
    "CannotPublish",
    "Employers",
    "ListRefused",
    "Notification",
    "Outcome",
    "Progress",
    "Report",
    "Sender",
    "StateError",
    "Worker",
]
