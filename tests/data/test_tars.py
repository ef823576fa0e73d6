"""Tar archives that are crafted: links, devices, and headers that lie or run in circles."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path

import pytest
from picture_files import png, values, write_tar

from ganvas.data import load
from ganvas.data.archives import open_container
from ganvas.errors import UserError

END = bytes(1024)


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    about = tarfile.TarInfo(name)
    about.size, about.type, about.linkname = size, kind, link
    return about.tobuf(tarfile.GNU_FORMAT)


def signed(block: bytes) -> bytes:
    """A header with the checksum that it needs to be believed."""
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


def member(name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    return header(name, len(content), kind) + content + bytes(-len(content) % 512)


def pax(**records: object) -> bytes:
    lines = b""
    for key, value in records.items():
        rest = f" {key.replace('_', '.')}={value}\n".encode()
        length = next(n for n in range(len(rest), len(rest) + 9) if len(str(n)) + len(rest) == n)
        lines += str(length).encode() + rest
    return member("PaxHeaders/x", lines, tarfile.XHDTYPE)


def write(path: Path, *blocks: bytes) -> Path:
    path.write_bytes(b"".join(blocks))
    return path


def test_links_and_devices_are_told_and_never_opened(tmp_path: Path) -> None:
    kinds = {
        "sym.png": tarfile.SYMTYPE,
        "hard.png": tarfile.LNKTYPE,
        "fifo.png": tarfile.FIFOTYPE,
        "char.png": tarfile.CHRTYPE,
        "block.png": tarfile.BLKTYPE,
        "unknown.txt": tarfile.SYMTYPE,
        "folder.png": tarfile.DIRTYPE,
    }
    links = [header(name, kind=kind, link="/etc/passwd") for name, kind in kinds.items()]
    path = write(tmp_path / "links.tar", member("a.png", png(1)), *links, END)
    d = load(path)
    assert values(d) == [1]
    told = {p.file.rsplit("/", 1)[1]: p.why for p in d.problems}
    assert told == {n: "it is a link or no regular file" for n in kinds if n not in ("unknown.txt", "folder.png")}


def test_a_tar_that_is_cut_between_two_files_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.tar", member("a.png", png(1)), member("b.png", png(2)))
    d = load(path)
    assert values(d) == [1, 2]
    assert [(p.file, p.why) for p in d.problems] == [(str(path), "it has no end mark, so it may have been cut short")]
    assert load(write_tar(tmp_path / "whole.tar", {"a.png": png(1)})).problems == ()


def test_a_broken_header_hides_no_files(tmp_path: Path) -> None:
    a, b = member("a.png", png(1)), member("b.png", png(2))
    path = write(tmp_path / "mid.tar", a, b[:100] + b"!" + b[101:], END)
    with pytest.raises(UserError, match=r"mid\.tar is not a whole tar archive \(a header is broken, after 1 files\)"):
        load(path)


NEGATIVE = signed(header("b.png")[:124] + b"\xff" * 12 + header("b.png")[136:])  # a size of -1 in base 256
HUGE = signed(header("b.png")[:124] + b"\x80" + b"\x7f" * 11 + header("b.png")[136:])
SPARSE = signed(header("b.png", kind=tarfile.GNUTYPE_SPARSE)[:482] + b"\1" + header("b.png")[483:])
LIES = {
    "negative": NEGATIVE,
    "huge": HUGE,
    "nested long names": member("././@LongLink", b"a", tarfile.GNUTYPE_LONGNAME) * 3000 + header("b.png"),
    "a long name cut short": header("././@LongLink", 1 << 33, tarfile.GNUTYPE_LONGNAME),
    "sparse in pax": pax(GNU_sparse_major=1, GNU_sparse_minor=0) + member("b.png", b"99999999999\n" + b"1\n" * 9),
    **{f"pax {n}": pax(size=n) + member("b.png", png(4)) for n in (-1, -512, -1536, -5000, 10**30, 2**63 - 1, "many")},
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("suffix", [".tar", ".dat"])
def test_headers_that_lie_are_told(tmp_path: Path, lie: str, suffix: str) -> None:
    path = write(tmp_path / f"lie{suffix}", member("a.png", png(1)), LIES[lie], END)
    with pytest.raises(UserError, match=rf"lie\{suffix} is not a whole tar archive"):
        load(path)
    alone = write(tmp_path / f"alone{suffix}", LIES[lie], END)
    with pytest.raises(UserError, match=rf"alone\{suffix} (is not a whole tar archive|holds no images)"):
        load(alone)


def test_sparse_files_are_problems(tmp_path: Path) -> None:
    path = write(tmp_path / "sparse.tar", member("a.png", png(1)), SPARSE, END)
    problems = load(path).problems
    assert [(p.file, p.why) for p in problems] == [(f"{path}/b.png", "it is a link or no regular file")]
    with pytest.raises(UserError, match="not a whole tar archive"):
        load(write(path, member("a.png", png(1)), SPARSE))  # ends where its map of holes should be


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", struct.pack(">I", 7) * 300])
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".dat", ".gz"])
def test_what_is_no_tar_is_told(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = write(tmp_path / f"none{suffix}", content)
    with pytest.raises(UserError, match=rf"none\{suffix} (is not a whole tar|is damaged|holds no images|cannot be)"):
        load(path)


def test_an_archive_that_shrinks_while_it_is_open_gives_no_half_files(tmp_path: Path) -> None:
    path = write(tmp_path / "shrinks.tar", member("a.png", png(1)), member("b.png", bytes(5000)), END)
    files = open_container(path)
    path.write_bytes(path.read_bytes()[:3000])
    assert files.read("a.png") == png(1)
    with pytest.raises(EOFError, match="the archive ends inside it"):
        files.read("b.png")


def test_reading_by_position_sees_the_right_bytes(tmp_path: Path) -> None:
    content = {f"{'long/' * 30}{i}-{'ü' * 40}.png": bytes([i]) * (i * 300) for i in range(9)}
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(path := tmp_path / f"{form}.tar", "w", format=form) as tar:
            for name, data in content.items():
                about = tarfile.TarInfo(name if form != tarfile.USTAR_FORMAT else Path(name).name)
                about.size = len(data)
                tar.addfile(about, io.BytesIO(data))
        files = open_container(path)
        assert [files.read(n) for n in files.names] == list(content.values())
