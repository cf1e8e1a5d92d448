"""Mutations of firmware and of what deploys, builds and talks to boards."""

from __future__ import annotations

from . import Mutation

FRAMES = "tests/test_frames.py"
SERVER = "tests/test_server.py"
BUDGETS = "tests/test_budgets.py"

MUTATIONS = (
    Mutation(
        "threads: who is waited for",
        "boards/linnet_boards/emulator.py",
        "path += alone + max(free)",
        "path += alone + min(free)",
        "tests/test_thread_counts.py -k dealt",
    ),
    Mutation(
        "firmware: crc",
        "boards/firmware/frame.c",
        "crc32(reader->bytes, count) == little_endian(reader->bytes + count)",
        "little_endian(reader->bytes + count)",
        FRAMES,
    ),
    Mutation(
        "firmware: frame's room",
        "boards/firmware/frame.c",
        "reader->count == reader->capacity",
        "reader->count > reader->capacity",
        FRAMES,
    ),
    Mutation(
        "firmware: long groups",
        "boards/firmware/frame.c",
        "reader->group != 0 && reader->group != 255",
        "reader->group != 0",
        FRAMES,
    ),
    Mutation(
        "firmware: once only",
        "boards/firmware/server.c",
        "header[1] == HELLO || sequence != server.sequence)",
        "header[1] == HELLO || sequence == sequence)",
        SERVER,
    ),
    Mutation(
        "firmware: sequence",
        "boards/firmware/server.c",
        "sequence == (uint16_t)(server.sequence + 1)",
        "sequence > server.sequence",
        SERVER,
    ),
    Mutation(
        "firmware: whole rows",
        "boards/firmware/server.c",
        "count % LNT_ROW_BYTES != 0",
        "count < LNT_ROW_BYTES - 1",
        SERVER,
    ),
    Mutation(
        "firmware: end of the output",
        "boards/firmware/server.c",
        "answer == NULL || from > all",
        "answer == NULL",
        SERVER,
    ),
    Mutation("firmware: hash", "boards/firmware/server.c", "{y + i, x + j}", "{y + i, x}", SERVER),
    Mutation(
        "protocol: crc",
        "boards/linnet_boards/protocol.py",
        "len(raw) < 8 or zlib.crc32(raw[:-4])",
        "len(raw) < 8 or (0 and zlib.crc32(raw[:-4]))",
        FRAMES,
    ),
    Mutation(
        "protocol: long groups",
        "boards/linnet_boards/protocol.py",
        "group != 255 and at < len(data)",
        "at < len(data)",
        FRAMES,
    ),
    Mutation(
        "conversation: asked again",
        "boards/linnet_boards/conversation.py",
        "            self._transport.write(sent)\n            answer",
        "            self._transport.write(b'' if self.resent else sent)\n            answer",
        SERVER,
    ),
    Mutation(
        "conversation: old answers",
        "boards/linnet_boards/conversation.py",
        "request | protocol.ANSWER and frame.sequence == self._sequence",
        "request | protocol.ANSWER",
        SERVER,
    ),
    Mutation(
        "deploy: what is there",
        "boards/linnet_boards/deployment.py",
        "if present[key] != _sha256(wanted)",
        "if not present[key]",
        "tests/test_boards_remote.py -k damaged_there",
    ),
    Mutation(
        "build: over the memory",
        "boards/linnet_boards/firmware.py",
        "if taken > region.bytes:",
        "if taken > 4 * region.bytes:",
        "tests/test_firmware.py -k over_budget",
    ),
    Mutation(
        "build: unused code",
        "boards/linnet_boards/firmware.py",
        '"--specs=nano.specs", "-Wl,--gc-sections", ',
        '"--specs=nano.specs", ',
        "tests/test_firmware.py -k used_is_linked",
    ),
    Mutation(
        "budget: stack",
        "boards/linnet_boards/budgets.py",
        "(stack_bytes if target.stack == target.data else 0)",
        "0",
        f"{BUDGETS} -k of_a_microcontroller",
    ),
    Mutation(
        "budget: speeds",
        "boards/linnet_boards/budgets.py",
        "if rows.cycles_per_word > weights.cycles_per_word",
        "if rows.cycles_per_word",
        f"{BUDGETS} -k how_fast",
    ),
    Mutation(
        "compare: there",
        "boards/linnet_boards/commands/compare.py",
        'row["here"] != row["there"]',
        'row["here"] & 0xFF != row["there"] & 0xFF',
        "tests/test_compare.py -k difference",
    ),
)
