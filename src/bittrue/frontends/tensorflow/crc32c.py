"""CRC-32C (Castagnoli; RFC 3720, section 12.1), the checksum of TensorFlow's files, in NumPy."""

import numpy as np

POLYNOMIAL = 0x82F63B78
"""With its bits reversed."""

ROW = 1024
"""Bytes that are folded one after the other, in all rows at once."""


def _byte_table() -> np.ndarray:
    table: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ ((table & 1) * np.uint32(POLYNOMIAL))
    return table


TABLE = _byte_table()
BYTES = TABLE.tolist()


def crc32c(data: bytes) -> int:
    """The checksum of `data`."""
    if len(data) < 4 * ROW:
        register = 0xFFFFFFFF
        for byte in data:
            register = BYTES[(register ^ byte) & 0xFF] ^ (register >> 8)
        return register ^ 0xFFFFFFFF
    # Zeros in front of a message change nothing while the register is 0; that it starts with ones is the same as the
    # first four bytes inverted.
    rows = -(-len(data) // ROW)
    padded = np.zeros(rows * ROW, np.uint8)
    padded[-len(data) :] = np.frombuffer(data, np.uint8)
    start = len(padded) - len(data)
    padded[start : start + 4] ^= 0xFF
    remainders = _folded(padded.reshape(rows, ROW), np.zeros(rows, np.uint32)).tolist()
    # A row's bytes move the register on linearly: what each of its four bytes becomes after ROW zeros is in a table.
    zeros = np.zeros((256, ROW), np.uint8)
    after = [_folded(zeros, np.arange(256, dtype=np.uint32) << shift).tolist() for shift in (0, 8, 16, 24)]
    register = 0
    for remainder in remainders:
        moved = after[0][register & 0xFF] ^ after[1][register >> 8 & 0xFF]
        register = moved ^ after[2][register >> 16 & 0xFF] ^ after[3][register >> 24] ^ remainder
    return int(register) ^ 0xFFFFFFFF


def unmasked(checksum: int) -> int:
    """The checksum that TensorFlow stores rotated and with a constant added (tensorflow/core/lib/hash/crc32c.h)."""
    rotated = (checksum - 0xA282EAD8) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


def _folded(rows: np.ndarray, registers: np.ndarray) -> np.ndarray:
    """The register of each row after its bytes, without inversions."""
    for column in rows.T:
        registers = TABLE[(registers ^ column) & 0xFF] ^ (registers >> 8)
    return registers
