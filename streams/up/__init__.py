"""`evalstream up`: everything on one machine, each part a process of its own under one supervisor."""
