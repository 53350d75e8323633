"""The speaker on the pole: receives, buffers, and sounds on time."""
