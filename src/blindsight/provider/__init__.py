"""The wing that sees only protected images: it trains, evaluates and predicts, and never meets a key.

Nothing in here imports the owner's wing; CI checks that. Needs the extra ``provider`` (torch, timm, lightning).
"""
