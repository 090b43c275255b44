"""A server before another one, which refuses some of what the other would take.

Belongs here: passing requests and answers on, as they are. Does not: what is refused.
"""

from collections.abc import Callable

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "content-encoding"})


def forwarding(
    to: str, refused: Callable[[Request], Response | None], taken: Callable[[Request], None]
) -> Starlette:
    """An app that passes on what is not refused.

    Args:
        to: the other server, such as "http://127.0.0.1:10000".
        refused: the refusal of a request; None: it is passed on.
        taken: is told of requests that the other server has answered with a success.
    """

    async def forward(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        query, path = request.scope["query_string"].decode(), request.scope["raw_path"].decode()
        async with httpx.AsyncClient() as client:
            answer = await client.request(
                request.method,
                f"{to}{path}?{query}" if query else f"{to}{path}",
                headers={name: value for name, value in request.headers.items() if name != "host"},
                content=await request.body(),
                timeout=60,
            )
        if answer.is_success:
            taken(request)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        if request.method == "HEAD" and "content-length" in answer.headers:
            kept["content-length"] = answer.headers["content-length"]
        return Response(answer.content, answer.status_code, kept)

    methods = ["GET", "HEAD", "PUT", "DELETE", "POST"]
    return Starlette(routes=[Route("/{path:path}", forward, methods=methods)])
