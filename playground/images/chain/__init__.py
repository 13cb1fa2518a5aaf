"""Chains: steps that make and change pictures, kept as a versioned JSON document and run as one job."""
