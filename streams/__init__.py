"""The composition root: stream agents, the command line, the OTLP receiver and the dev broker."""
