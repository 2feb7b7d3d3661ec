# Licensed under Apache-2.0.
"""What a file is that can't be read as a picture, called by its name."""

from __future__ import annotations

from os import SEEK_END, PathLike

from PIL import Image, UnidentifiedImageError

from mmwsss.io.data_errors import UnreadableImageError
from mmwsss.io.file_beginnings import beginning, is_lfs_pointer, is_web_page

#: bytes at the end of a file that are looked at
_TAIL = 64
_AGAIN = 'copy or download it again, or take its line out of the list of images'
#: beginnings of files that aren't pictures, or none that Pillow reads
_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b'%PDF', 'it is a PDF', 'export its pictures as PNG or JPEG'),
    (b'PK\x03\x04', 'it is a zip archive', 'unpack it'),
    (b'\x1f\x8b', 'it is a gzip archive', 'unpack it'),
    (b'\x89HDF', 'it is an HDF5 file', 'export its bands as a TIFF'),
    (b'\x93NUMPY', 'it is a numpy array', 'write it as a TIFF'),
    (
        b'\0\5\x16\7',
        'it holds no picture, but what macOS leaves beside one (AppleDouble)',
        'delete it; the picture has its name without "._"',
    ),
    (b'\xff\n', 'it is a JPEG XL photo', 'convert it to JPEG'),
    (b'\0\0\0\x0cJXL ', 'it is a JPEG XL photo', 'convert it to JPEG'),
    (b'8BPS', 'it is a Photoshop file', 'export it as PNG'),
    (b'\x1aE\xdf\xa3', 'it is a video', 'export its pictures as PNG or JPEG'),
)
#: of the forms that begin as HEIC does, those that are photos
_PHOTOS = (b'avif', b'avis', b'crx ')
_CUT = ('truncated', 'unexpected end', 'failed to read', 'requires a buffer')
_HEIC = (b'ftypheic', b'ftypheix', b'ftypmif1', b'ftypmsf1')


def ends_whole(path: str | PathLike) -> bool:
    """Whether a JPEG or PNG ends as whole files do; other forms don't tell.

    Only the first and the last bytes are read. Cameras write more behind the end of a
    photo: ``False`` is a reason to read it all, not a finding.
    """
    with open(path, 'rb') as file:
        begin = file.read(4)
        file.seek(max(file.seek(0, SEEK_END) - _TAIL, 0))
        tail = file.read().rstrip(b'\0\r\n ')
    if begin.startswith(b'\xff\xd8'):
        return tail.endswith(b'\xff\xd9')
    return begin != b'\x89PNG' or b'IEND' in tail


def unreadable(path: str, content: bytes, err: Exception) -> UnreadableImageError:
    """The error for a file that no reader takes, saying what it is.

    Args:
        path: of the file.
        content: its bytes, or the first thousand.
        err: what the reader raised.
    """
    cause, fix = what_it_is(content, err)
    return UnreadableImageError(path, cause, fix)


def what_it_is(content: bytes, err: Exception, again: str = _AGAIN) -> tuple[str, str]:
    """What a file is instead of a picture, and what to do about it.

    Args:
        content: its bytes, or the first thousand.
        err: what the reader raised.
        again: what to do where the file is damaged.
    """
    if not content:
        return 'it is empty, 0 bytes', again
    if is_web_page(content):
        return (
            'it is an HTML page saved under the name of a picture',
            'open it in a browser to see why (a login, an error, a preview page), then '
            'download the picture itself',
        )
    if beginning(content).startswith((b'<svg', b'<?xml')):
        return 'it is XML (an SVG drawing?)', 'export it as PNG'
    if is_lfs_pointer(content):
        return (
            'it is a git-lfs pointer, not the picture itself',
            'fetch the pictures: git lfs install, then git lfs pull, in their '
            'repository',
        )
    known = _known_form(content)
    if known is not None:
        return known
    if isinstance(err, Image.DecompressionBombError):
        return str(err), 'cut it into tiles'
    if not content.strip(b'\0'):
        return 'it holds nothing but zeros, as after a full disk', again
    if _is_text(content[:1000]):
        shown = content[:40].decode('utf-8', 'replace').split('\n')[0]
        return f'it is a text file beginning with {shown!r}', again
    if isinstance(err, UnidentifiedImageError):
        return 'it has the form of no picture that Pillow knows', again
    text = str(err) or type(err).__name__
    if any(word in text.lower() for word in _CUT):
        return f'it is cut off: {text}', again
    return text, again


def _known_form(content: bytes) -> tuple[str, str] | None:
    """Cause and fix, by the bytes that tell a form."""
    for begin, cause, fix in _BEGINNINGS:
        if content.startswith(begin):
            return cause, fix
    if content[4:12] in _HEIC:
        return 'it is a HEIC photo', 'convert it to JPEG'
    if content[4:8] == b'ftyp' and content[8:12] not in _PHOTOS:
        return 'it is a video', 'export its pictures as PNG or JPEG'
    if content[128:132] == b'DICM':
        return 'it is a DICOM file', 'export its picture as a PNG or TIFF'
    return None


def _is_text(begin: bytes) -> bool:
    return not any(byte < 9 or 13 < byte < 32 for byte in begin)


def first_bytes(path: str | PathLike, count: int = 1000) -> bytes:
    """The beginning of a file; empty where there is none."""
    try:
        with open(path, 'rb') as file:
            return file.read(count)
    except OSError:
        return b''
