#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of an ivshmem server for tests, written apart from ours: ivshmem.py COMMAND SOCKET ...

idle N        N clients that join, tell that on stdout, and never read anything again
crowd N       N clients one after the other, none leaves; tells how many were served
churn N       N clients that join and leave one after the other
who           the ids that are there, in the order told, then the own one
qemu          QEMU's ivshmem device, driven by its test protocol instead of a guest"""
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import time


class Client:
    def __init__(self, path, join=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.peers = {}
        self.own = []
        if join:
            assert self.get() == (0, None)
            self.id, none = self.get()
            number, self.memory = self.get()
            assert none is None and number == -1 and self.memory is not None

    def get(self):
        """One message: its number and its descriptor."""
        data, fds = b"", []
        while len(data) < 8:
            part, new, _, _ = socket.recv_fds(self.socket, 8 - len(data), 4)
            if not part:
                raise EOFError
            data += part
            fds += new
        assert len(fds) <= 1
        return struct.unpack("<q", data)[0], fds[0] if fds else None

    def take(self):
        number, fd = self.get()
        if fd is None:
            self.peers.pop(number)
        elif number == self.id:
            self.own.append(fd)
        else:
            self.peers.setdefault(number, []).append(fd)

    def take_own(self, vectors):
        while len(self.own) < vectors:
            self.take()

    def ring(self, peer, vector):
        os.write(self.peers[peer][vector], struct.pack("=Q", 1))


def idle(path, count):
    clients = [Client(path, join=False) for _ in range(int(count))]
    print("there", flush=True)
    signal.pause()
    assert clients


def crowd(path, count):
    clients = []
    for _ in range(int(count)):
        try:
            clients.append(Client(path))
        except (EOFError, ConnectionResetError):
            break
    print(len(clients), clients[-1].id)


def churn(path, count):
    for _ in range(int(count)):
        client = Client(path)
        client.take_own(1)
        client.socket.close()
        for fd in sum(client.peers.values(), client.own) + [client.memory]:
            os.close(fd)


def who(path):
    client = Client(path)
    client.take_own(1)
    print(*client.peers, "own", client.id)


class Qemu:
    """PCI device 0:5.0 of a machine that executes nothing (QEMU's docs/devel/testing: qtest)."""

    REGISTERS, MSIX, MEMORY, MESSAGE = 0xE0000000, 0xE0010000, 0xE8000000, 0x100000

    def __init__(self, path, vectors):
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-S", "-nodefaults",
             "-display", "none", "-qtest", "stdio", "-qtest-log", "none",
             "-chardev", f"socket,path={path},id=bus",
             "-device", f"ivshmem-doorbell,vectors={vectors},chardev=bus,addr=05.0"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.set_up()

    def say(self, *words):
        self.process.stdin.write((" ".join(str(w) for w in words) + "\n").encode())
        self.process.stdin.flush()
        while True:
            answer = self.process.stdout.readline().decode().split()
            if answer[0] == "OK":
                return int(answer[1], 16) if len(answer) > 1 else None
            assert answer[0] == "IRQ", answer

    def config(self, offset, value=None):
        self.say("outl", 0xCF8, 0x80000000 | 5 << 11 | offset)
        return self.say("inl", 0xCFC) if value is None else self.say("outl", 0xCFC, value)

    def set_up(self):
        self.config(0x10, self.REGISTERS)
        self.config(0x14, self.MSIX)
        self.config(0x18, self.MEMORY)
        self.config(0x1C, 0)
        self.config(0x04, 6)  # memory and bus master
        capability = self.config(0x34) & 0xFF
        while self.config(capability) & 0xFF != 0x11:
            capability = self.config(capability) >> 8 & 0xFF
        for word, value in enumerate((self.MESSAGE, 0, 0x1234, 0)):
            self.say("writel", self.MSIX + 4 * word, value)
        self.config(capability, self.config(capability) | 1 << 31)

    def end(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def qemu(path):
    """Both ways, memory and doorbells, between this process and the device."""
    client = Client(path)
    client.take_own(1)
    device = Qemu(path, 1)
    while not client.peers:
        client.take()
    (peer,) = client.peers
    assert device.say("readl", Qemu.REGISTERS + 8) == peer, "the device's id is another one"
    memory = mmap.mmap(client.memory, 0)
    device.say("writel", Qemu.MEMORY + 0x40, 0x12345678)
    assert memory[0x40:0x44] == bytes.fromhex("78563412")
    memory[0x44:0x48] = b"back"
    assert device.say("readl", Qemu.MEMORY + 0x44) == int.from_bytes(b"back", "little")
    device.say("writel", Qemu.REGISTERS + 12, client.id << 16)
    assert struct.unpack("=Q", os.read(client.own[0], 8)) == (1,)
    client.ring(peer, 0)
    while device.say("readl", Qemu.MESSAGE) != 0x1234:
        time.sleep(0.01)
    device.end()
    client.take()
    assert not client.peers
    print("the device was peer", peer)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
