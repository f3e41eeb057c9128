"""DLPack's structs by ctypes, as the standard draws them: a consumer without a library."""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any

api = ctypes.pythonapi
api.PyCapsule_GetPointer.restype = c_void_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, c_char_p]
api.PyCapsule_GetName.restype = c_char_p
api.PyCapsule_GetName.argtypes = [ctypes.py_object]
api.PyCapsule_SetName.argtypes = [ctypes.py_object, c_char_p]


class Tensor(ctypes.Structure):
    """DLTensor, with its device and its dtype."""

    _fields_ = (
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", ctypes.POINTER(c_int64)),
        ("strides", ctypes.POINTER(c_int64)),
        ("byte_offset", c_uint64),
    )


DELETER = ctypes.CFUNCTYPE(None, c_void_p)  # without the GIL


class Managed(ctypes.Structure):
    """DLManagedTensor."""

    _fields_ = (("tensor", Tensor), ("context", c_void_p), ("deleter", DELETER))


class Versioned(ctypes.Structure):
    """DLManagedTensorVersioned."""

    _fields_ = (
        ("major", c_uint32),
        ("minor", c_uint32),
        ("context", c_void_p),
        ("deleter", DELETER),
        ("flags", c_uint64),
        ("tensor", Tensor),
    )


NAMES: dict[bytes, Any] = {b"dltensor": Managed, b"dltensor_versioned": Versioned}
USED = {b"dltensor": c_char_p(b"used_dltensor")}
USED[b"dltensor_versioned"] = c_char_p(b"used_dltensor_versioned")
"""The names of capsules that were consumed: a capsule does not copy its name."""


def name_of(capsule: Any) -> bytes:
    return bytes(api.PyCapsule_GetName(capsule))


def consumed(capsule: Any) -> Any:
    """The struct in the capsule, which is then the caller's to delete."""
    name = name_of(capsule)
    managed = NAMES[name].from_address(api.PyCapsule_GetPointer(capsule, name))
    api.PyCapsule_SetName(capsule, USED[name])
    return managed


def delete(managed: Any) -> None:
    managed.deleter(ctypes.addressof(managed))
