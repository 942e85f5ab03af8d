"""The calls that are known to block the thread they are made on, and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_OFF_THE_LOOP = "write the function as a plain `def`, or call this through `await asyncio.to_thread(...)`"
SLEEP = "await asyncio.sleep() instead"
HTTP = f"use an async client such as httpx.AsyncClient; or {_OFF_THE_LOOP}"
DATABASE = f"use the driver's async side; or {_OFF_THE_LOOP}"
PROCESS = "use asyncio.create_subprocess_exec() and await it"
SOCKET = "use asyncio.open_connection() or the event loop's sock_ methods"
NAMES = "await asyncio.get_running_loop().getaddrinfo(...) instead"
LOCK = f"use what asyncio has of that kind, and await it; or {_OFF_THE_LOOP}"
FUTURE = "await asyncio.wrap_future(...), or let loop.run_in_executor() make it"
OTHER = _OFF_THE_LOOP


@dataclass(frozen=True, slots=True)
class Blocker:
    """What blocks, as "calls time.sleep()". sure: whether it does so for long enough to be felt, always."""

    what: str
    remedy: str
    sure: bool = True


_VERBS = ("delete", "get", "head", "options", "patch", "post", "put", "request")
_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    SLEEP: ("time.sleep",),
    HTTP: (
        *(f"requests.{verb}" for verb in _VERBS),
        *(f"requests.api.{verb}" for verb in _VERBS),
        *(f"httpx.{verb}" for verb in (*_VERBS, "stream")),
        *("urllib.request.urlopen", "urllib.request.urlretrieve", "urllib3.request"),
    ),
    DATABASE: ("psycopg.connect", "psycopg2.connect", "pymysql.connect", "MySQLdb.connect", "sqlite3.connect"),
    PROCESS: (
        *("subprocess.call", "subprocess.check_call", "subprocess.check_output", "subprocess.getoutput"),
        *("subprocess.getstatusoutput", "subprocess.run", "os.system", "os.wait", "os.waitpid"),
    ),
    SOCKET: ("socket.create_connection",),
    NAMES: ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyname_ex"),
    FUTURE: ("concurrent.futures.wait", "concurrent.futures.as_completed"),
    OTHER: ("builtins.input", "smtplib.SMTP", "smtplib.SMTP_SSL", "select.select"),
}
_SLOW_FUNCTIONS = (
    *("bcrypt.checkpw", "bcrypt.hashpw", "hashlib.pbkdf2_hmac", "hashlib.scrypt"),
    *("shutil.copytree", "shutil.make_archive", "shutil.rmtree", "shutil.unpack_archive"),
)
FUNCTIONS: Mapping[str, Blocker] = {
    name: Blocker(f"calls {name.removeprefix('builtins.')}()", remedy)
    for remedy, names in _FUNCTIONS.items()
    for name in names
} | {name: Blocker(f"calls {name}()", OTHER, sure=False) for name in _SLOW_FUNCTIONS}
"""By full name."""

_EXECUTE = ("callproc", "execute", "executemany", "executescript", "fetchall", "fetchmany", "fetchone", "commit")
_LOCK_LIKE = ("acquire", "wait")
METHODS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "requests.sessions.Session": (HTTP, (*_VERBS, "send")),
    "httpx._client.Client": (HTTP, (*_VERBS, "send", "stream")),
    "urllib3.poolmanager.PoolManager": (HTTP, ("request", "urlopen")),
    "sqlite3.Connection": (DATABASE, _EXECUTE),
    "sqlite3.Cursor": (DATABASE, _EXECUTE),
    "psycopg2.extensions.connection": (DATABASE, ("commit", "rollback")),
    "psycopg2.extensions.cursor": (DATABASE, _EXECUTE),
    "psycopg.Connection": (DATABASE, (*_EXECUTE, "rollback")),
    "psycopg.Cursor": (DATABASE, _EXECUTE),
    "pymysql.connections.Connection": (DATABASE, ("commit", "ping", "rollback")),
    "pymysql.cursors.Cursor": (DATABASE, _EXECUTE),
    "sqlalchemy.orm.session.Session": (
        DATABASE,
        ("commit", "exec", "execute", "flush", "get", "query", "refresh", "rollback", "scalar", "scalars"),
    ),
    "sqlalchemy.engine.base.Connection": (DATABASE, ("commit", "execute", "exec_driver_sql", "scalar", "scalars")),
    "sqlalchemy.engine.base.Engine": (DATABASE, ("begin", "connect")),
    "redis.client.Redis": (DATABASE, ("delete", "get", "hget", "hset", "blpop", "brpop", "ping", "publish", "set")),
    "subprocess.Popen": (PROCESS, ("communicate", "wait")),
    "_socket.socket": (SOCKET, ("accept", "connect", "recv", "recv_into", "recvfrom", "sendall")),
    "_thread.lock": (LOCK, _LOCK_LIKE),
    "_thread.RLock": (LOCK, _LOCK_LIKE),
    "threading.Barrier": (LOCK, _LOCK_LIKE),
    "threading.Condition": (LOCK, (*_LOCK_LIKE, "wait_for")),
    "threading.Event": (LOCK, _LOCK_LIKE),
    "threading.Semaphore": (LOCK, _LOCK_LIKE),
    "threading.Thread": (LOCK, ("join",)),
    "multiprocessing.process.BaseProcess": (PROCESS, ("join",)),
    "queue.Queue": (LOCK, ("get", "join")),
    "_queue.SimpleQueue": (LOCK, ("get",)),
    "concurrent.futures._base.Future": (FUTURE, ("exception", "result")),
    "smtplib.SMTP": (OTHER, ("connect", "login", "sendmail", "send_message", "starttls")),
    "botocore.client.BaseClient": (HTTP, ()),
    "boto3.resources.base.ServiceResource": (HTTP, ()),
}
"""By full name of a class: the remedy, and the methods that block; () is all but a few."""

LOCKS = ("_thread.lock", "_thread.RLock", "threading.Condition", "threading.Semaphore")
LOCAL_ONLY = ("can_paginate", "generate_presigned_post", "generate_presigned_url", "get_paginator", "get_waiter")
"""What does not block of classes all of whose methods do."""
