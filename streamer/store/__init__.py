"""What outlives the process: zones, speakers, tokens, broadcasts."""
