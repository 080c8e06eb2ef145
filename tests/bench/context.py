"""What all sections share."""

import dataclasses
import os
import pathlib

import rounds

SMALL = 2_000


@dataclasses.dataclass
class Bench:
    work: pathlib.Path
    key: pathlib.Path
    rounds: int
    mebibytes: int

    def file(self, name="big", mebibytes=None):
        path, block = self.work / name, os.urandom(1 << 20)
        with open(path, "wb") as file:
            for _ in range(mebibytes or self.mebibytes):
                file.write(block)
        return path

    def small_files(self):
        directory = self.work / "small"
        directory.mkdir()
        for number in range(SMALL):
            (directory / f"{number:04}").write_bytes(os.urandom(4096))
        return directory

    def measure(self, running, workloads):
        try:
            return rounds.run(workloads, running, self.rounds)
        finally:
            for server in running:
                server.stop()


def fresh(path):
    rounds.remove(path)
    return path
