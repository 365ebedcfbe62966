"""Learning: features, classifier, calibration, artifacts."""
