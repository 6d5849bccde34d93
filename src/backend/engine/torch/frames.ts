/**
 * Messages between Lathe and `lathe_torch`: the length of the header (uint32, little-endian), the header (JSON), and its
 * buffers, whose lengths in bytes the header lists.
 */

export type Header = Readonly<Record<string, unknown>>;

export interface Frame {
  readonly header: Header;
  readonly buffers: readonly ArrayBuffer[];
}

/** The parts of a message, in order. Buffers are not copied. */
export function encodeFrame(header: Header, buffers: readonly Uint8Array[]): readonly Uint8Array[] {
  const text = Buffer.from(JSON.stringify({ ...header, buffers: buffers.map((each) => each.byteLength) }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.byteLength);
  return [Buffer.concat([length, text]), ...buffers.filter((each) => each.byteLength > 0)];
}

/** Collects the bytes of a stream into messages. */
export class FrameReader {
  #header: Header | undefined;
  #buffers: ArrayBuffer[] = [];
  /** The part that is being filled: the length, the header or a buffer. */
  #part: Uint8Array = new Uint8Array(4);
  #filled = 0;
  #isText = false;

  constructor(private readonly receive: (frame: Frame) => void) {}

  /** True between two messages. */
  get isIdle(): boolean {
    return this.#header === undefined && !this.#isText && this.#filled === 0;
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    while (start < chunk.byteLength) {
      const size = Math.min(this.#part.byteLength - this.#filled, chunk.byteLength - start);
      this.#part.set(chunk.subarray(start, start + size), this.#filled);
      this.#filled += size;
      start += size;
      while (this.#filled === this.#part.byteLength) this.#advance();
    }
  }

  #advance(): void {
    if (this.#header !== undefined) this.#buffers.push(this.#part.buffer as ArrayBuffer);
    else if (this.#isText) {
      this.#header = JSON.parse(Buffer.from(this.#part).toString()) as Header;
      this.#isText = false;
    } else {
      this.#isText = true;
      this.#start(new DataView(this.#part.buffer).getUint32(0, true));
      return;
    }
    const sizes = this.#header.buffers as readonly number[];
    const next = sizes[this.#buffers.length];
    if (next !== undefined) {
      this.#start(next);
      return;
    }
    const frame = { header: this.#header, buffers: this.#buffers };
    this.#header = undefined;
    this.#buffers = [];
    this.#start(4);
    this.receive(frame);
  }

  #start(size: number): void {
    this.#part = new Uint8Array(size);
    this.#filled = 0;
  }
}
