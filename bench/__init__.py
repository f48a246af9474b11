"""Measurements, side by side in one run. Ratios are the budget: machines differ and are noisy."""
