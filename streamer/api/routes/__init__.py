"""One module per resource; thin: what happens is decided below the API."""
