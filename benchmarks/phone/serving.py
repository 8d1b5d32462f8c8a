"""The laptop's side: gives out the page, the runtime and the files of the run, and takes results back; no more."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.phone.schema import Result
from benchmarks.phone.visits import Visits
from pocketbert.errors import UserError

PAGE = Path(__file__).parent / "page"
STYLE = Path(__file__).parents[1] / "templates" / "report.css"
COOKIE = "visit"
LARGEST = 4_000_000
"""Bytes of a result; the longest allowed has about two million."""

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Served:
    """What there is to get.

    Attributes:
        plan: see `benchmarks.phone.plan.Plan.told`.
        runtime: files of ONNX Runtime Web, by name.
        models: ONNX files by number.
        golden: golden sentences by the number of their file.
        origins: schemes, hosts and ports at which the page may be opened.
        isolated: send the headers that give the page threads.
    """

    plan: Mapping[str, Any]
    runtime: Mapping[str, Path]
    models: Mapping[str, Path]
    golden: Mapping[str, Path]
    origins: frozenset[str]
    isolated: bool = True


def application(
    served: Served, visits: Visits, understand: Callable[[bytes], Result], take: Callable[[str, Result], object]
) -> ASGIApp:
    """Return the server's application.

    Args:
        served: what there is to get.
        visits: who may.
        understand: turns what a phone sent into a result, or raises UserError.
        take: called with a result's name and the result, which is whole so far; may raise UserError, too.
    """
    own = {path.name: path for path in (*PAGE.iterdir(), STYLE) if path.suffix in TYPES}
    folders = {"page": own, "runtime": served.runtime, "files": served.models, "golden": served.golden}

    async def enter(request: Request) -> Response:
        if "token" in request.query_params:
            cookie = visits.enter(request.query_params["token"])
            if cookie is not None:
                response: Response = RedirectResponse("/", status_code=303)
                response.set_cookie(COOKIE, cookie, httponly=True, samesite="lax", secure=request.url.scheme == "https")
                return response
        if not visits.knows(request.cookies.get(COOKIE)):
            return PlainTextResponse("Open the newest address that the laptop shows: each is for one device.", 403)
        return _file(own["index.html"])

    async def plan(_: Request) -> Response:
        return JSONResponse(served.plan)

    async def begin(request: Request) -> Response:
        name = visits.begin(request.cookies[COOKIE])
        if name is None:
            return PlainTextResponse("this visit has begun too many results", 429)
        return JSONResponse({"result": name}, 201)

    async def put(request: Request) -> Response:
        name = request.path_params["name"]
        if not visits.owns(request.cookies[COOKIE], name):
            return PlainTextResponse("no result of this visit that is still open", 404)
        body = await _body(request)
        if body is None:
            return PlainTextResponse(f"a result has at most {LARGEST} bytes", 413)
        try:
            result = understand(body)
            take(name, result)
        except UserError as error:
            return PlainTextResponse(str(error), 422)
        except OSError as error:
            return PlainTextResponse(f"the laptop can't keep it ({error.strerror}): make room, and send it again", 507)
        if result.complete:
            visits.finished.add(name)
        return PlainTextResponse("kept")

    routes = [
        Route("/", enter),
        Route("/plan", plan),
        Route("/results", begin, methods=["POST"]),
        Route("/results/{name}", put, methods=["PUT"]),
        *(Route(f"/{folder}/{{name}}", _giver(files)) for folder, files in folders.items()),
    ]
    return _Guard(Starlette(routes=routes), served, visits)


class _Guard:
    """Refuses what does not come from the page of a device that was let in, and adds the headers."""

    def __init__(self, inner: ASGIApp, served: Served, visits: Visits) -> None:
        self._inner, self._visits, self._origins = inner, visits, served.origins
        extra = HEADERS | (ISOLATION if served.isolated else {})
        self._headers = [(name.lower().encode(), value.encode()) for name, value in extra.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # nothing to start or stop, and no sockets

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        refused = self._refused(Request(scope))
        await (refused or self._inner)(scope, receive, with_headers)

    def _refused(self, request: Request) -> Response | None:
        # A page elsewhere may have made its own name point here: the address must be one of ours.
        if f"{request.url.scheme}://{request.headers.get('host', '')}" not in self._origins:
            own = " or ".join(f"{each}/…" for each in sorted(self._origins))
            return PlainTextResponse(f"This server is at {own}: open the address there that the laptop shows.", 421)
        if request.method not in {"GET", "HEAD"}:
            if request.headers.get("origin") not in self._origins:
                return PlainTextResponse("from another page", 403)
            if request.headers.get("content-type") != "application/json":
                return PlainTextResponse("a result is application/json", 415)
        if request.url.path != "/" and not self._visits.knows(request.cookies.get(COOKIE)):
            return PlainTextResponse("open the address that the laptop shows", 403)
        return None


async def _body(request: Request) -> bytes | None:
    """Return what was sent, None where it is too large; no more than that is read."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > LARGEST:
                return None
            parts.append(part)
    except ClientDisconnect:
        return b""
    return b"".join(parts)


def _giver(files: Mapping[str, Path]) -> Callable[[Request], Awaitable[Response]]:
    async def give(request: Request) -> Response:
        path = files.get(request.path_params["name"])
        return PlainTextResponse("not found", 404) if path is None else _file(path)

    return give


def _file(path: Path) -> Response:
    return FileResponse(path, media_type=TYPES[path.suffix])
