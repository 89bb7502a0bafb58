"""Train and serve image classifiers on images nobody else can see.

The package is split along the trust boundary: :mod:`blindsight.owner` holds keys and plain images,
:mod:`blindsight.provider` sees protected images only, and neither imports the other. Nothing is imported eagerly here.
"""

__version__ = "0.1.0"
