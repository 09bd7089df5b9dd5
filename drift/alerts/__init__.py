"""Alert rules: windows over measurements, states with hysteresis, and when somebody is told."""
