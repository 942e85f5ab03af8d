"""FastAPI with outlast, as it is by default."""

from endpoints import router  # type: ignore[import-not-found]
from fastapi import FastAPI

import outlast

app = FastAPI()
outlast.install(app)
app.include_router(router)
