/** A file, or a part of one, as the body of a request: it is read while it is sent, and again if the request is repeated. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";

export class FileBody extends Blob {
  constructor(
    private readonly path: string,
    private readonly start: number,
    private readonly end: number,
    /** Receives the number of bytes of each piece that is read from the stream. */
    private readonly onRead?: (bytes: number) => void,
  ) {
    super([]);
    Object.defineProperty(this, "size", { value: end - start });
  }

  /** The same bytes with another listener. */
  observe(onRead: (bytes: number) => void): FileBody {
    return new FileBody(this.path, this.start, this.end, onRead);
  }

  /** Bytes `from` to `to`, counted from the start of this part. */
  override slice(from = 0, to = this.size): FileBody {
    const end = Math.min(this.start + to, this.end);
    return new FileBody(this.path, Math.min(this.start + from, end), end, this.onRead);
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    const bytes = new Uint8Array(this.size);
    const file = await open(this.path);
    try {
      const { bytesRead } = await file.read(bytes, 0, bytes.length, this.start);
      if (bytesRead !== bytes.length) throw new Error(`${this.path} has become shorter while it was sent.`);
    } finally {
      await file.close();
    }
    return bytes.buffer;
  }

  override async text(): Promise<string> {
    return new TextDecoder().decode(await this.arrayBuffer());
  }

  override stream(): ReturnType<Blob["stream"]> {
    if (this.size === 0) return new Blob([]).stream();
    const stream = createReadStream(this.path, { start: this.start, end: this.end - 1 });
    const { onRead } = this;
    if (onRead !== undefined) stream.on("data", (piece) => onRead(piece.length));
    return Readable.toWeb(stream);
  }
}
