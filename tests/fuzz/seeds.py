#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cut the seeds of the fuzz targets of lib/wire and of snapshots out of tests/conformance.

Run by hand when a target's input format changes; the small files it writes are committed, so that
neither building nor testing needs Python. Formats: the head comments of layout.c, ring.c, blocks.c,
header.c and snapshot.c beside this script.
"""
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "conformance"
LONGEST = 1024


def write(target, name, data):
    folder = HERE / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def layouts():
    for path in sorted((DATA / "layouts").glob("classic*.json")):
        for number, entry in enumerate(json.loads(path.read_text())):
            if number % 9:
                continue
            given = entry["in"]
            write("layout", f"{path.stem}_{number}", struct.pack(
                "<QQIIII", given["tx_off"], given["tx_size"], given["tx_blocks"],
                given["rx_blocks"], max(entry["dcache_alignment"], 0), entry["word_bits"] // 8))


def images(scenario):
    """The whole mapping after each step."""
    memory = bytearray([scenario["fill"]]) * scenario["config"]["map"]
    for step in scenario["steps"]:
        for offset, text in step["diff"]:
            changed = bytes.fromhex(text)
            memory[offset:offset + len(changed)] = changed
        yield memory


def word(memory, offset):
    return struct.unpack_from("<I", memory, offset)[0]


def packets(ring, rd, wr):
    while rd != wr:
        length = ring[rd] << 8 | ring[rd + 1]
        yield bytes(ring[(rd + 4 + i) % len(ring)] for i in range(length))
        rd = (rd + 4 + (length + 3) // 4 * 4) % len(ring)


def region_seeds(name, layout, region, memory):
    """The last image in which something waits, and each header that a waiting packet names."""
    base, data = region["region_off"], layout["pbuf_data_off"]
    start = base + data
    ring = memory[start:start + region["pbuf_data_len"]]
    rd, wr = word(memory, base), word(memory, base + layout["wr_idx_off"])
    if max(rd, wr) >= len(ring):
        return
    if rd != wr and region["region_size"] <= 4096:
        opposite = layout["rx" if region is layout["tx"] else "tx"]
        write("snapshot", name, struct.pack(
            "<BBBBH", layout["block_header_size"] == 8,
            layout["effective_alignment"].bit_length() - 1, region["block_count"] - 1,
            opposite["block_count"] - 1, region["region_size"])
            + memory[base:base + region["region_size"]])
    if rd != wr and len(ring) <= LONGEST:
        write("ring", name, struct.pack("<HHBII", rd, wr, 3, rd, wr) + ring)
    for packet in packets(ring, rd, wr):
        if len(packet) == 3 and packet[0] in (0, 2) and region["block_size"] <= 1024:
            at = base + region["blocks_off"] + packet[2] * region["block_size"]
            write("header", f"{name}_{packet[0]}", bytes([
                layout["block_header_size"] == 8, region["block_size"] // 4 - 1,
                region["block_count"] - 1, packet[2]]) + memory[at:at + 8])


def operations(scenario, layout):
    """Allocations and releases as far as the commands tell: sizes are exact, owners are not."""
    region = layout["tx"]
    ops = [region["block_count"] - 1]
    for step in scenario["steps"]:
        # A list of commands never allocates.
        words = step["cmd"].split() if isinstance(step["cmd"], str) else [""]
        if words[0] == "alloc":
            size = int(words[2]) or region["max_buffer"]
        elif words[0] == "send" and words[2].startswith("prng:"):
            size = int(words[2].split(":")[2])
        else:
            if words[0] in ("drop", "release"):
                ops.append(0xc0)
            continue
        count = -(-(size + layout["block_header_size"]) // region["block_size"])
        ops.append(min(count, 0xc0) - 1)
    return bytes(ops)


def scenarios():
    for path in sorted((DATA / "scenarios").glob("classic*.json")):
        scenario = json.loads(path.read_text())
        for memory in images(scenario):
            for side, layout in scenario["layout"].items():
                region_seeds(f"{path.stem}_{side}", layout, layout["tx"], memory)
        for side, layout in scenario["layout"].items():
            write("blocks", f"{path.stem}_{side}", operations(scenario, layout))


def put_packet(memory, layout, base, payload):
    """Append to the ring of the region at `base`, as its owner does; the ring does not wrap here."""
    at, data = base + layout["wr_idx_off"], base + layout["pbuf_data_off"]
    wr = word(memory, at)
    packet = struct.pack(">HH", len(payload), 0) + payload + bytes(-len(payload) % 4)
    memory[data + wr:data + wr + len(packet)] = packet
    memory[at:at + 4] = struct.pack("<I", wr + len(packet))


def receive_seeds(name):
    """The region of the side that is not us, then operations (receive.c), for a few moments."""
    scenario = json.loads((DATA / "scenarios" / f"{name}.json").read_text())
    memories = [bytearray(memory) for memory in map(bytes, images(scenario))]
    wide = name.startswith("classic64")
    for us, them, steps in (("F", "I", (6, 42)), ("I", "F", (8, 17, 42))):
        layout = scenario["layout"][them]
        base, region = layout["tx"]["region_off"], layout["tx"]
        for step in steps:
            memory = memories[step]
            if step == 6:
                # Messages behind the name: one block, several, none.
                for block, size in ((1, 5), (2, 2 * region["block_size"]), (6, 0)):
                    at = base + region["blocks_off"] + block * region["block_size"]
                    memory[at:at + 8] = struct.pack("<Q", size)
                    put_packet(memory, layout, base, bytes([0, 0, block]))
            # At first the magic alone; the rest comes when the names have been announced.
            wr = base + layout["wr_idx_off"]
            todo = bytes([0, 1, 2]) + memory[wr:wr + 2] + bytes([0, 1, 3, 5, 4, 30, 1, 6, 0, 15, 0, 6])
            memory[wr:wr + 4] = struct.pack("<I", 20)
            flags = wide | (us == "I") << 1 | (step != 42) << 3
            write("receive", f"{name}_{us}_{step}", bytes([flags])
                  + memory[base:base + region["region_size"]] + todo)


layouts()
scenarios()
receive_seeds("classic32_doc800")
receive_seeds("classic64_doc800")
