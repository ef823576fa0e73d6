"""The C library's allocator, told to keep the pages it has instead of handing them back after every step."""

from __future__ import annotations

import ctypes
import platform

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_pages() -> bool:
    """Makes large tensors reuse warm memory; says whether the allocator was told.

    By default glibc maps every large block afresh and unmaps it when it is freed, so that each step of a training
    touches gigabytes of new pages, which the kernel has to clear. Only on Linux with glibc; elsewhere nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def give_back() -> bool:
    """Hands unused pages back to the system, so that what is measured next does not count them."""
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).malloc_trim(0))
