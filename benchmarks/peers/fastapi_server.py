"""FastAPI under uvicorn as a beginner writes it: a plain `def` runs in the thread pool, as the documentation advises
for blocking work, on a body that an `async` dependency has read. SESSIONS sessions are shared by the threads."""

import itertools

import uvicorn
from detection import PORT, SESSIONS, Detection
from fastapi import Depends, FastAPI, Request

app = FastAPI()
detections = [Detection() for _ in range(SESSIONS)]
turns = itertools.cycle(detections)


async def body(request: Request) -> bytes:
    return await request.body()


@app.post("/predict")
def predict(data: bytes = Depends(body)):
    return next(turns).answer(data)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning", access_log=False)
