#!/usr/bin/env python3
"""Prints licences and notices of all that the named programs are linked from.

    dist/notices.py [--static] TARGET PROGRAM...

Crates whose licence texts are the same but for spaces share one copy. A crate from crates.io
without such a file is named with its licence expression. With --static, so is the C library.
"""

import json
import os
import re
import subprocess
import sys

# Names of files that licences ask to be passed on.
PASSED_ON = re.compile(r"^(LICEN[SC]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)", re.IGNORECASE)

LIBC = {
    "gnu": "GNU C Library (glibc), LGPL-2.1-or-later: part of programs that were linked statically\n"
    "for TARGET. Its source is at https://www.gnu.org/software/libc/; the sources\n"
    "of echo-bench and dist/build.sh link the programs anew with another version of it.",
    "musl": "musl, MIT: part of programs that were linked statically for TARGET. Copyright and\n"
    "licence: https://git.musl-libc.org/cgit/musl/tree/COPYRIGHT",
}


def linked(metadata, programs):
    """The packages below the programs, but for those that only build or test them."""
    names = {package["id"]: package["name"] for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [key for key in metadata["workspace_members"] if names[key] in programs]
    if len(waiting) != len(set(programs)):
        sys.exit(f"error: not all of {', '.join(programs)} are in the workspace")
    found = set()
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += [
                edge["pkg"]
                for edge in nodes[key]["deps"]
                if any(kind["kind"] is None for kind in edge["dep_kinds"])
            ]
    return [package for package in metadata["packages"] if package["id"] in found]


def texts(package):
    """Contents of the files of a crate that are to be passed on."""
    folder = os.path.dirname(package["manifest_path"])
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if PASSED_ON.match(name) and os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                yield file.read().strip()


def main():
    static = sys.argv[1:2] == ["--static"]
    target, *programs = sys.argv[2 if static else 1 :]
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    # By words: a text, and the crates that have it.
    owners = {}
    bare = []
    for package in linked(metadata, programs):
        if package["source"] is None:
            continue
        title = f"{package['name']} {package['version']} ({package['license']})"
        found = list(texts(package))
        for text in found:
            _, titles = owners.setdefault(" ".join(text.split()), (text, []))
            if title not in titles:
                titles.append(title)
        if not found:
            bare.append(title)

    print("Licences and notices of the works that echo-bench, echo-server and echo-client contain.\n")
    print("The Rust standard library, MIT OR Apache-2.0: https://github.com/rust-lang/rust\n")
    for library, notice in LIBC.items():
        if static and library in target:
            print(notice.replace("TARGET", target) + "\n")
    if bare:
        print("Without a file of licences in the crate:")
        print("\n".join(f"  {title}" for title in bare) + "\n")
    for text, titles in sorted(owners.values(), key=lambda entry: entry[1]):
        print("=" * 78)
        print("\n".join(titles))
        print("-" * 78)
        print(text + "\n")


main()
