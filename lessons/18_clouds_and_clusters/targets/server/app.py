"""A server with one route. python -m uvicorn app:app"""

from fastapi import FastAPI, HTTPException
from predict import predict
from pydantic import BaseModel


class Question(BaseModel):
    text: str


app = FastAPI()


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/predict")
def answer(question: Question) -> dict[str, str | float]:
    try:
        return predict(question.text)
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
