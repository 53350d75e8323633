"""Arithmetic on the wrapping counters of RTP (pure functions).

Source: RFC 3550, section 5.1 (16-bit sequence number, 32-bit timestamp) and
appendix A.1 (extending a sequence number past its wrap).
"""

from __future__ import annotations


def unwrap(value: int, reference: int, *, bits: int = 16) -> int:
    """Return the integer nearest to *reference* that equals *value* mod ``2**bits``.

    Args:
        value: Counter as read from the wire, in ``range(2**bits)``.
        reference: Last unwrapped value of the same counter.
        bits: Width of the counter on the wire; 16 for sequence numbers, 32 for
            timestamps.

    >>> unwrap(2, 65_535)
    65538
    >>> unwrap(65_535, 65_538)
    65535
    """
    half = 1 << (bits - 1)
    return reference + ((value - reference + half) % (2 * half)) - half
