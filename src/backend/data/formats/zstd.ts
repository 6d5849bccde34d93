/** Zstandard, decompressed in bounded parts. */
import { Decompress } from "fzstd";

/** The largest window that the `zstd` program itself accepts without being asked to (`--long=27`). */
const MAX_WINDOW_BYTES = 2 ** 27;
/** Few enough input bytes that even blocks of one repeated byte (128 KiB out of 4 bytes) stay below 64 MiB a push. */
const PUSHED_BYTES = 2048;

export async function* decompressZstd(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const stream = new ZstdStream();
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += PUSHED_BYTES)
      yield* stream.push(chunk.subarray(at, at + PUSHED_BYTES), false);
  yield* stream.push(new Uint8Array(0), true);
}

/** All of `bytes`, whose content has to be exactly `length` bytes. */
export function decompressZstdBuffer(bytes: Uint8Array, length: number): Uint8Array {
  const output = new Uint8Array(length);
  const stream = new ZstdStream();
  let filled = 0;
  for (let at = 0; at <= bytes.length; at += PUSHED_BYTES)
    for (const part of stream.push(bytes.subarray(at, at + PUSHED_BYTES), at + PUSHED_BYTES > bytes.length)) {
      if (filled + part.length > length) throw new Error(`it holds more than the declared ${length} bytes`);
      output.set(part, filled);
      filled += part.length;
    }
  if (filled !== length) throw new Error(`it holds ${filled} of the declared ${length} bytes`);
  return output;
}

class ZstdStream {
  #parts: Buffer[] = [];
  #ended = false;
  readonly #guard = new FrameGuard();
  readonly #stream = new Decompress((part, final) => {
    if (part.length > 0) this.#parts.push(Buffer.from(part));
    if (final === true) this.#ended = true;
  });

  push(chunk: Uint8Array, final: boolean): readonly Buffer[] {
    this.#guard.check(chunk);
    this.#parts = [];
    this.#stream.push(chunk, final);
    if (final && !this.#ended) throw new Error("unexpected end of file");
    return this.#parts;
  }
}

/** Walks over frames and blocks (RFC 8878, section 3.1.1), because the library allocates any window that a frame declares. */
class FrameGuard {
  #held: Buffer = Buffer.alloc(0);
  #skip = 0;
  #isInFrame = false;
  #checksumBytes = 0;

  check(chunk: Uint8Array): void {
    const bytes = Buffer.concat([this.#held, chunk]);
    let at = 0;
    for (;;) {
      const skipped = Math.min(this.#skip, bytes.length - at);
      at += skipped;
      this.#skip -= skipped;
      if (this.#skip > 0) break;
      const size = this.#isInFrame ? this.#block(bytes, at) : this.#header(bytes, at);
      if (size === undefined) break;
      at += size;
    }
    this.#held = bytes.subarray(at);
  }

  /** Bytes of the block's header; undefined asks for more. */
  #block(bytes: Buffer, at: number): number | undefined {
    if (bytes.length - at < 3) return undefined;
    const header = bytes.readUIntLE(at, 3);
    const isRepeatedByte = ((header >> 1) & 3) === 1;
    this.#skip = isRepeatedByte ? 1 : header >> 3;
    if ((header & 1) === 1) {
      this.#isInFrame = false;
      this.#skip += this.#checksumBytes;
    }
    return 3;
  }

  #header(bytes: Buffer, at: number): number | undefined {
    if (bytes.length - at < 6) return undefined;
    const magic = bytes.readUInt32LE(at);
    if (magic >>> 4 === 0x184d2a5) {
      if (bytes.length - at < 8) return undefined;
      this.#skip = bytes.readUInt32LE(at + 4);
      return 8;
    }
    if (magic !== 0xfd2fb528) throw new Error("it does not begin with a Zstandard frame");
    const descriptor = bytes[at + 4]!;
    const isSingleSegment = (descriptor & 0x20) !== 0;
    const contentStart = 5 + (isSingleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
    const contentBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    const size = contentStart + contentBytes;
    if (bytes.length - at < size) return undefined;
    let window = 0;
    if (isSingleSegment)
      for (let i = contentBytes - 1; i >= 0; i--) window = window * 256 + bytes[at + contentStart + i]!;
    else window = 2 ** (10 + (bytes[at + 5]! >> 3)) * (1 + (bytes[at + 5]! & 7) / 8);
    if (window > MAX_WINDOW_BYTES)
      throw new Error(`its window of ${window} bytes is larger than the allowed ${MAX_WINDOW_BYTES}`);
    this.#isInFrame = true;
    this.#checksumBytes = (descriptor & 4) === 0 ? 0 : 4;
    return size;
  }
}
