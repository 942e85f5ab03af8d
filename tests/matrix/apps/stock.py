"""FastAPI alone."""

from endpoints import router  # type: ignore[import-not-found]
from fastapi import FastAPI

app = FastAPI()
app.include_router(router)
