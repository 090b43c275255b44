"""A link leads somewhere."""

from posixpath import dirname, normpath

import pytest

from tests.documents.reading import DOCUMENTS, FOLDERS, TRACKED, Document

BY_NAME = {document.name: document for document in DOCUMENTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_within_the_repository_leads_somewhere(document: Document) -> None:
    inside = [link for link in document.links if "://" not in link]
    assert [link for link in inside if not _leads_somewhere(document, link)] == []


def _leads_somewhere(document: Document, link: str) -> bool:
    path, _, anchor = link.partition("#")
    file = normpath(f"{dirname(document.name)}/{path}".lstrip("/")) if path else document.name
    if not anchor:
        return file in TRACKED or file in FOLDERS
    return file in BY_NAME and anchor in BY_NAME[file].anchors


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_document_is_named_by_another(document: Document) -> None:
    named = {
        normpath(f"{dirname(other.name)}/{link.partition('#')[0]}".lstrip("/"))
        for other in DOCUMENTS
        if other is not document
        for link in other.links
    }
    folder = document.name.removesuffix("README.md").rstrip("/")
    assert document.name == "README.md" or document.name in named or folder in named
