"""A newsletter: each mail is a task, tried again if it is not taken, and no more go out in a second than may."""

from __future__ import annotations

import os
import smtplib
from email.message import EmailMessage

from fastapi import FastAPI

import outlast

HOST = os.environ.get("SMTP_HOST", "localhost")
PORT = int(os.environ.get("SMTP_PORT", "25"))
RATE = os.environ.get("MAIL_RATE", "20/s")

app = FastAPI()
outlast.install(app, queues={"mail": {"rate": RATE, "concurrency": 3}})


@outlast.task(queue="mail", retries=5, backoff=outlast.backoff(first=1, factor=3, most=600), timeout=30)
def send(to: str, subject: str, text: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "news@example.com", to, subject
    mail["Message-ID"] = f"<{outlast.current().id}@example.com>"  # the same when it is sent again
    mail.set_content(text)
    try:
        with smtplib.SMTP(HOST, PORT, timeout=10) as server:
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        code, why = error.recipients[to]
        if code >= 500:  # it never will be taken
            raise outlast.Discard(why.decode(errors="replace")) from None
        raise


@app.post("/newsletter", status_code=202)
async def newsletter(recipients: list[str], tasks: outlast.BackgroundTasks) -> dict[str, int]:
    for to in recipients:
        tasks.options(parallel=True).add_task(send, to, "News", "There is news.\n")
    return {"mails": len(recipients)}
