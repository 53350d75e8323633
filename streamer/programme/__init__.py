"""From a source's PCM to RTP packets, once per programme; and their recording."""
