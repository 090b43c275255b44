"""`sluice page write …`: what is wrong, and each partition's way, for a browser."""

import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from sluicegate.cli.opened import DataDir, ProjectDir, err, opened, out
from sluicegate.core.progress import unseen

app = typer.Typer(help="The page for a browser: serve it, write it; Data Docs.")


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port of the page.")] = 3002,
    host: Annotated[str, typer.Option(help="Address to listen at; other than loopback needs --url.")] = "",
    url: Annotated[str, typer.Option(help="Where people reach it, as https://ops.example.com.")] = "",
    behind_proxy: Annotated[
        str,
        typer.Option(
            metavar="HEADER",
            help="The header in which the authenticating proxy in front names who looks, as X-Forwarded-User:"
            " they may acknowledge and snooze. Needs --url.",
        ),
    ] = "",
    minutes: Annotated[
        int, typer.Option(min=1, help="So long ago the last look at what is wrong may be.")
    ] = 10,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Serve the page: what is late, held, failed, refused; each partition's way; Data Docs; health.

    Only shows, unless --behind-proxy says who looks. Reads the records alone, and never the warehouse. Stops
    on Ctrl-C and on SIGTERM.
    """
    with opened(project, data) as here:
        from sluicegate.core.loopback import is_here
        from sluicegate.page.reading import Reading
        from sluicegate.page.serving import LOOPBACK, Door, PageServer

        anywhere = bool(host) and not is_here(host)
        whole = urlsplit(url)
        if url and (whole.scheme not in ("http", "https") or not whole.hostname or whole.path.strip("/")):
            raise ValueError(f"--url {url}: expected an address without a path, as https://ops.example.com")
        if anywhere and not url:
            raise ValueError(
                f"--host {host} lets other machines in; expected --url as well: where people reach it"
            )
        if behind_proxy and not url:
            raise ValueError("--behind-proxy needs --url: forms are taken from pages of that address alone")
        door = Door(url.rstrip("/"), behind_proxy, anywhere)
        _ = here.deployment.store  # what cannot be opened is told here, not in a browser
        try:
            server = PageServer(
                here.deployment, Reading(here.settings), door, host=host or LOOPBACK, port=port,
                fresh=timedelta(minutes=minutes),
            )  # fmt: skip
        except (OSError, OverflowError):
            raise ValueError(
                f"port {port} is in use, or not ours to take; expected a free one: --port"
            ) from None
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        with unseen(), server.serving():
            out.print(f"page: {url or server.url}  stop: Ctrl-C", soft_wrap=True)
            stopped.wait()


@app.command()
def write(
    folder: Annotated[
        Path, typer.Option("--out", help="Folder of the pages; what this command wrote there goes.")
    ],
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Write the page as files, for a bucket or a share: the same pages, as of now, without a server."""
    with opened(project, data) as here:
        from sluicegate.graph.step_log import reading as reading_dagster
        from sluicegate.page.pages import Pages
        from sluicegate.page.reading import Reading
        from sluicegate.page.written import write as write_pages

        read = Reading(here.settings)
        read.look()
        with reading_dagster(here.settings) as instance:
            pages = Pages(here.deployment, read, written=True, instance=instance)
            try:
                count = write_pages(pages, folder.resolve(), out.print)
            except OSError as error:
                raise ValueError(
                    f"{folder}: {error.strerror}; expected a folder that can be written to: --out"
                ) from None
    out.print(f"{count} pages in {folder}: open {folder / 'index.html'}", soft_wrap=True)


@app.command("data-docs")
def data_docs(project: ProjectDir = None, data: DataDir = None) -> None:
    """Make GX Data Docs, a site of what was judged, in the data directory; print where they begin.

    Beside them is lineage.html: where each column comes from and where it goes, of the project as it is.
    """
    with opened(project, data, typed=False) as here:
        from sluicegate.cli.docs import build

        path = build(here.settings, lambda text: err.print(text, style="yellow", markup=False))
        out.print(str(path), soft_wrap=True)
