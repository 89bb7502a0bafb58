"""The owner's wing: everything that holds a secret key or sees a plain image.

Light to import: no torch, and nothing is imported eagerly here. Keys are in :mod:`blindsight.owner.keys`, the streams
they give in :mod:`blindsight.owner.keystream`.
"""
