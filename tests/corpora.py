"""Small packages for tests of the corpus: archives of given files, and a registry that is a dictionary."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import zipfile

from export.corpus.packages import Package, RemoteFile

PROBLEM = '''\
def has_close_elements(numbers, threshold):
    """Check if in given list of numbers, are any two numbers closer than the threshold."""
    for index, element in enumerate(numbers):
        for other_index, other_element in enumerate(numbers):
            if index != other_index:
                distance = abs(element - other_element)
                if distance < threshold:
                    return True

    return False
'''


def make_zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return buffer.getvalue()


def make_tar(files: dict[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return buffer.getvalue()


def make_deb(files: dict[str, bytes]) -> bytes:
    def member(name: str, data: bytes) -> bytes:
        return (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
            + data
            + b"\n" * (len(data) % 2)
        )

    packed = lzma.compress(make_tar({f"./{path}": data for path, data in files.items()}))
    return b"!<arch>\n" + member("debian-binary", b"2.0\n\n") + member("data.tar.xz", packed)


def source(name: str) -> str:
    """A module like no other."""
    lines = (
        f"def {name}_{word}(value_{word}):\n    return {word}_{name}.apply(value_{word}, '{name}')\n"
        for word in ("fold", "join", "sort", "trim", "wrap", "split")
    )
    return "\n\n".join(lines)


class Registry:
    """Packages of given files."""

    def __init__(self) -> None:
        self.packages: list[Package] = []
        self._archives: dict[str, bytes] = {}

    def add(self, name: str, files: dict[str, str], licence: str = "MIT") -> None:
        archive = make_zip({path: text.encode() for path, text in files.items()})
        digest = hashlib.sha256(archive).hexdigest()
        self._archives[digest] = archive
        self.packages.append(Package("pypi", name, "1", RemoteFile(f"{name}-1.whl", digest), licence))

    def fetch(self, package: Package, file: RemoteFile) -> bytes:
        assert package.archive == file
        return self._archives[file.sha256]
