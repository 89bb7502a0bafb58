"""The auditor's wing: what a protected or mixed set still shows. It may look at both sides; neither imports it."""
