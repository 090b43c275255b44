"""Another version of Microsoft's parser: `python -m sluicegate.kusto.language.update PACKAGE.tgz`.

Belongs here: the two files, their digests, their version. Does not belong here: what the new version knows.
"""

import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path

from sluicegate.kusto.language.v8 import HERE

VENDOR = HERE / "vendor"
PACKAGE = "@kusto/language-service-next"
FILES = ("Kusto.Language.Bridge.min.js", "bridge.min.js")


def update(package: Path, vendor: Path = VENDOR) -> str:
    """Take the files of an npm package over, with its version and their digests; return the version.

    Raises:
        ValueError: it is another package, or lacks a file.
    """
    with tarfile.open(package) as archive:
        held = {name: _read(archive, f"package/{name}") for name in (*FILES, "package.json")}
    said = json.loads(held.pop("package.json"))
    if said["name"] != PACKAGE or said["license"] != "MIT":
        raise ValueError(f"{package.name} is {said['name']} ({said['license']}); expected {PACKAGE} (MIT)")
    readme = vendor / "README.md"
    text = re.sub(r"(?<=version )[0-9.]+(?=,)", said["version"], readme.read_text(), count=1)
    for name, content in held.items():
        digest = hashlib.sha256(content).hexdigest()
        text = re.sub(rf"(?<=`{re.escape(name)}` \| `)[0-9a-f]{{64}}", digest, text)
        (vendor / name).write_bytes(content)
    readme.write_text(text)
    return str(said["version"])


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name) if name in archive.getnames() else None
    if file is None:
        raise ValueError(f"there is no {name} in the package; expected that of npm, as `npm pack` fetches it")
    return file.read()


if __name__ == "__main__":
    sys.stdout.write(f"version {update(Path(sys.argv[1]))} is in {VENDOR}\n")
