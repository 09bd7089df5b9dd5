"""Conformal Shiryaev-Roberts e-detectors over arrays of segments: pure numbers, no names, no clocks, no texts."""
