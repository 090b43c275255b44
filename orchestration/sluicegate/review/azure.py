"""The comment on a pull request of Azure DevOps: one thread, found again by its marker.

Belongs here: its REST API, as an Azure pipeline may call it. Does not belong here: the comment. On GitHub
their own command line does the same.

Source: Microsoft, "Pull Request Threads" and "Pull Request Thread Comments", REST API 7.1; the variables are
those of a pipeline's run, "Use predefined variables".
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from sluicegate.review.comment import MARKER

_VARIABLES = (
    "SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECTID", "BUILD_REPOSITORY_ID", "SYSTEM_PULLREQUEST_PULLREQUESTID",
    "SYSTEM_ACCESSTOKEN",
)  # fmt: skip
_VERSION = {"api-version": "7.1"}
_SECONDS = 60.0


def post(comment: str, environ: Mapping[str, str]) -> None:
    """Write the comment, or write it anew where it is there.

    Raises:
        ValueError: it cannot be posted from here, with what to do.
    """
    if missing := [name for name in _VARIABLES if not environ.get(name) or environ[name].startswith("$(")]:
        raise ValueError(
            f"{', '.join(missing)} is not set; expected the variables of an Azure pipeline that a pull"
            " request has started, and `SYSTEM_ACCESSTOKEN: $(System.AccessToken)` in the step's"
            " `env`; add it there"
        )
    collection, *ids, token = (environ[name] for name in _VARIABLES)
    project, repository, number = (quote(one, safe="") for one in ids)
    repositories = f"{collection.rstrip('/')}/{project}/_apis/git/repositories"
    threads = f"{repositories}/{repository}/pullRequests/{number}/threads"
    try:
        signed = {"Authorization": f"Bearer {token}"}
        with httpx.Client(headers=signed, params=_VERSION, timeout=_SECONDS) as client:
            listed = client.get(threads).raise_for_status().json()
            if at := _ours(listed):
                answer = client.patch(f"{threads}/{at[0]}/comments/{at[1]}", json={"content": comment})
            else:
                said = {"parentCommentId": 0, "content": comment, "commentType": "text"}
                answer = client.post(threads, json={"comments": [said], "status": "closed"})
            answer.raise_for_status()
    except (httpx.HTTPError, ValueError) as error:
        status = f" {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else ""
        raise ValueError(
            f"the comment could not be posted ({type(error).__name__}{status}); expected that the pipeline"
            " may; give the build service the right `Contribute to pull requests` of the repository"
        ) from None


def _ours(listed: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return thread and comment that we have written; None where there is none."""
    for thread in listed.get("value") or []:
        for comment in thread.get("comments") or []:
            gone = thread.get("isDeleted") or comment.get("isDeleted")
            if not gone and str(comment.get("content") or "").startswith(MARKER):
                return int(thread["id"]), int(comment["id"])
    return None
