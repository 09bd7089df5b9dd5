"""What evaluators learn across traces: features of targets, learners of one subject each, and all of them together."""
