/** Records as TensorFlow frames them: length, checksum of the length, bytes, checksum of the bytes. */
import { buf } from "crc-32/crc32c";

/**
 * CRC-32C, rotated and offset as in TensorFlow's record format: a plain checksum of data that contains its own checksums is
 * not reliable.
 */
export function computeMaskedChecksum(bytes: Uint8Array): number {
  const sum = buf(bytes) >>> 0;
  return (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
}

export function encodeTfRecord(bytes: Uint8Array): Buffer {
  const record = Buffer.alloc(12 + bytes.length + 4);
  record.writeBigUInt64LE(BigInt(bytes.length), 0);
  record.writeUInt32LE(computeMaskedChecksum(record.subarray(0, 8)), 8);
  record.set(bytes, 12);
  record.writeUInt32LE(computeMaskedChecksum(bytes), 12 + bytes.length);
  return record;
}
