"""descriptor_set.py WHEEL FILE: writes the protobuf descriptors inside the published openshell package to FILE.

Every *_pb2.py module of the package hands its serialized FileDescriptorProto, a bytes literal, to
AddSerializedFile(). The modules are parsed, never run, so neither they nor protobuf have to be installed. The result
is a FileDescriptorSet without the files of google/protobuf, which every runtime brings along.
"""

import ast
import sys
import zipfile


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def serialized_files(source):
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "AddSerializedFile"
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.args[0].value


def main(wheel, target):
    out = bytearray()
    with zipfile.ZipFile(wheel) as package:
        for name in sorted(package.namelist()):
            if name.endswith("_pb2.py"):
                for file in serialized_files(package.read(name).decode("utf-8")):
                    # FileDescriptorSet.file is field 1, length-delimited.
                    out += b"\x0a" + varint(len(file)) + file
    if not out:
        sys.exit(f"{wheel} holds no descriptors; is it the openshell package?")
    with open(target, "wb") as file:
        file.write(out)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
