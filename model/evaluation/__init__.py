"""The claims of the paper, put to the test on one cube."""
