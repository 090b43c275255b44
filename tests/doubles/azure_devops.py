"""Pull request threads of Azure DevOps, as far as a pipeline's step meets them.

https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-request-threads: a thread has comments with
ids of their own, a comment is changed by PATCH, what is deleted stays in the list and says so. A comment has
150,000 characters at most.
"""

from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_THREADS = "/contoso/{project}/_apis/git/repositories/{repository}/pullRequests/{number}/threads"
_LONGEST = 150_000


@dataclass
class DevOpsDouble:
    """The threads of one repository; `asked` is (method, path) of what was allowed."""

    token: str
    threads: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def __post_init__(self) -> None:
        comment = _THREADS + "/{thread}/comments/{comment}"
        routes = [
            Route(_THREADS, self._list, methods=["GET"]),
            Route(_THREADS, self._create, methods=["POST"]),
            Route(comment, self._change, methods=["PATCH"]),
        ]
        self.app = Starlette(routes=routes)

    def add(self, content: str, *, deleted: bool = False) -> dict[str, Any]:
        """Add a thread with one comment, as somebody has written it."""
        comment = {"id": 1, "content": content, "isDeleted": deleted}
        thread = {"id": len(self.threads) + 1, "comments": [comment], "isDeleted": deleted}
        self.threads.append(thread)
        return thread

    def _refused(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Response("sign in", 203, media_type="text/html")  # as the service does: a page, and no 401
        if not request.query_params.get("api-version"):
            return JSONResponse({"message": "No api-version was supplied"}, 400)
        self.asked.append((request.method, request.url.path))
        return None

    async def _list(self, request: Request) -> Response:
        found = {"value": self.threads, "count": len(self.threads)}
        return self._refused(request) or JSONResponse(found)

    async def _create(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        said = await request.json()
        [comment] = said["comments"]
        if len(comment["content"]) > _LONGEST or comment["parentCommentId"] != 0:
            return JSONResponse({"message": "invalid"}, 400)
        return JSONResponse(self.add(comment["content"]))

    async def _change(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        at = [int(request.path_params[name]) for name in ("thread", "comment")]
        for thread in self.threads:
            for comment in thread["comments"]:
                if [thread["id"], comment["id"]] == at:
                    comment["content"] = (await request.json())["content"]
                    return JSONResponse(comment)
        return JSONResponse({"message": "not found"}, 404)
