"""Whether a backup is as it was written, read to its last byte, and whether its parts agree.

Belongs here: that. Does not belong here: what is compared for agreement (`agreement`).
"""

from sluicegate.core.progress import each
from sluicegate.operations.backup.agreement import disagreements, store_of
from sluicegate.operations.backup.folder import Folder, Manifest, digest_of, told
from sluicegate.operations.backup.parts import RECORDS
from sluicegate.state.upgrade import FORM


def verify(folder: Folder, manifest: Manifest) -> list[str]:
    """Return what is wrong with a backup, in words; nothing where it can be restored.

    A content that is not as it was written is noted as such, so that the next backup writes it anew.

    What did not agree when it was taken is no fault of the backup: `manifest.notes` has it.

    Raises:
        BackupError: the records or the warehouse in it cannot be opened at all, or its files cannot be read.
    """
    fix = f"expected the right to read {folder.path}; type the same as another user, or give it that"
    with told(f"the backup {manifest.name} cannot be read", fix):
        return _verify(folder, manifest)


def _verify(folder: Folder, manifest: Manifest) -> list[str]:
    wrong: list[str] = []
    seen: set[str] = set()
    for file in each("reading", manifest.files, "files", lambda one: one.path):
        if file.digest in seen:
            continue
        seen.add(file.digest)
        where = f"{file.part}/{file.path}"
        content = folder.object(file.digest)
        if not content.is_file():
            wrong.append(f"{where} is gone: {content}")
        else:
            damaged = content.stat().st_size != file.size or digest_of(content) != file.digest
            folder.note(file.digest, damaged=damaged)
            if damaged:
                wrong.append(f"{where} is not as it was written: {content}")
    if not any(file.part == RECORDS for file in manifest.files):
        wrong.append("the records are not in it")
    if manifest.records_form > FORM:
        wrong.append(
            f"its records are of form {manifest.records_form}: code of Sluice {manifest.code} reads them"
        )
    if wrong:
        return wrong
    with store_of(folder, manifest.files):
        pass
    return [item for item in disagreements(folder, manifest.files) if item not in manifest.notes]
