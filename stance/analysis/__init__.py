"""What comes out: labelled sentences and their evaluation."""
