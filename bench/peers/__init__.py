"""What we measure ourselves against, each in the best configuration we could find."""
