"""What a payroll pack writes to declare: `Sender`. docs/institutions.md, "Declare"."""

from institutions.payroll.notification import Anomaly, Notification
from institutions.payroll.sender import Sender
from institutions.payroll.workers import ListRefused, Worker

__all__ = ["Anomaly", "ListRefused", "Notification", "Sender", "Worker"]
