/** The LZ4 frame format (version 1.6.3 of its description), as compressed Arrow buffers use it. */

const MAGIC = 0x184d2204;

/** Content of one or more frames, which has to be exactly `length` bytes. Blocks may refer to earlier ones. */
export function decompressLz4Frame(bytes: Uint8Array, length: number): Uint8Array {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const output = new Uint8Array(length);
  let filled = 0;
  for (let at = 0; at < input.length;) {
    if (input.readUInt32LE(at) !== MAGIC) throw new Error("an LZ4 frame has another magic number");
    const flags = input.readUInt8(at + 4);
    if (flags >> 6 !== 1) throw new Error(`version ${flags >> 6} of the LZ4 frame format is not known`);
    if ((flags & 1) !== 0) throw new Error("LZ4 frames with a dictionary are not read");
    const blockChecksum = (flags & 0x10) === 0 ? 0 : 4;
    at += 7 + ((flags & 8) === 0 ? 0 : 8);
    for (;;) {
      const header = input.readUInt32LE(at);
      at += 4;
      if (header === 0) break;
      const size = header & 0x7fffffff;
      const block = input.subarray(at, at + size);
      if (block.length < size) throw new Error("an LZ4 block is cut off");
      if (header >>> 31 === 1) {
        if (filled + size > length) throw new Error(`LZ4 data holds more than the declared ${length} bytes`);
        output.set(block, filled);
        filled += size;
      } else filled = decompressBlock(block, output, filled);
      at += size + blockChecksum;
    }
    at += (flags & 4) === 0 ? 0 : 4;
  }
  if (filled !== length) throw new Error(`LZ4 data holds ${filled} of the declared ${length} bytes`);
  return output;
}

/** Appends the content of a block at `start`, and returns where it ends. */
function decompressBlock(input: Uint8Array, output: Uint8Array, start: number): number {
  let filled = start;
  let at = 0;
  const next = (): number => {
    const byte = input[at++];
    if (byte === undefined) throw new Error("an LZ4 block is cut off");
    return byte;
  };
  const lengthFrom = (nibble: number): number => {
    let size = nibble;
    if (nibble === 15) {
      let more: number;
      do size += more = next();
      while (more === 255);
    }
    if (size > output.length) throw new Error("an LZ4 block holds more than was declared");
    return size;
  };
  while (at < input.length) {
    const token = next();
    const literals = lengthFrom(token >> 4);
    if (at + literals > input.length || filled + literals > output.length)
      throw new Error("an LZ4 block holds more than was declared");
    output.set(input.subarray(at, at + literals), filled);
    at += literals;
    filled += literals;
    if (at === input.length) break; // The last sequence has no match.
    const offset = next() | (next() << 8);
    const match = lengthFrom(token & 15) + 4;
    if (offset === 0 || offset > filled) throw new Error("an LZ4 match begins before the data");
    if (filled + match > output.length) throw new Error("an LZ4 block holds more than was declared");
    for (let i = 0; i < match; i++, filled++) output[filled] = output[filled - offset]!;
  }
  return filled;
}
