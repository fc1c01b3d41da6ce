"""bootstrap.py ZIP FOLDER: unpacks the Lambda's zip into FOLDER once it is what Lambda and this project want of it."""

import pathlib
import stat
import struct
import sys
import zipfile

MOST = 6_000_000  # bytes of the zip
AARCH64, INTERPRETER = 183, 3  # e_machine; p_type of a program that wants a loader


def wants_loader(program):
    start, size, count = struct.unpack_from("<Q", program, 32)[0], *struct.unpack_from("<HH", program, 54)
    return any(struct.unpack_from("<I", program, start + n * size)[0] == INTERPRETER for n in range(count))


def problems(path):
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if [entry.filename for entry in entries] != ["bootstrap"]:
            return [f"holds {[entry.filename for entry in entries]}, not bootstrap alone"]
        entry, program = entries[0], archive.read("bootstrap")
    found = {
        "is too large": path.stat().st_size >= MOST,
        "has a date": entry.date_time != (1980, 1, 1, 0, 0, 0),
        "has fields that differ from machine to machine": bool(entry.extra),
        "is not executable": stat.S_IMODE(entry.external_attr >> 16) != 0o755,
        "is no program for arm64": program[:4] != b"\x7fELF" or struct.unpack_from("<H", program, 18)[0] != AARCH64,
    }
    found["wants a loader"] = not found["is no program for arm64"] and wants_loader(program)
    return [problem for problem, is_so in found.items() if is_so]


def main(path, folder):
    path, folder = pathlib.Path(path), pathlib.Path(folder)
    found = problems(path)
    if found:
        sys.exit(f"bootstrap.py: {path}: " + ", ".join(found))
    with zipfile.ZipFile(path) as archive:
        archive.extract("bootstrap", folder)
    (folder / "bootstrap").chmod(0o755)
    print(f"{path.stat().st_size / 1e6:.2f} MB zipped, {(folder / 'bootstrap').stat().st_size / 1e6:.2f} MB unpacked, static arm64")


if __name__ == "__main__":
    main(*sys.argv[1:])
