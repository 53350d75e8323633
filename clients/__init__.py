"""What runs away from the server: the speaker, and the web pages."""
