"""`evalstream up`: everything on one machine, each part a process of its own under one supervisor."""

from streams.up.plan import Plan, make_plan
from streams.up.supervise import Supervisor

__all__ = ["Plan", "Supervisor", "make_plan"]
