"""The auditor's wing: what a protected or mixed set still shows. It may look at both sides; neither imports it."""

from blindsight.audit.attack import Attack, Budget, Reconstruction, get_attack, list_attacks, register_attack

__all__ = ["Attack", "Budget", "Reconstruction", "get_attack", "list_attacks", "register_attack"]
