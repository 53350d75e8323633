"""HTTP: thin FastAPI routers over the studio and the store."""
