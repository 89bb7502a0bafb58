"""``blindsight demo``: the whole journey on data that comes with scikit-learn, offline, in a few minutes."""
