/** Follows a file of lines while another process appends to it. Returns whole lines as bytes, in bounded pieces. */
import { constants, type BigIntStats } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { WorkbenchError } from "../../../protocol/errors";

const newline = 10;
const chunkBytes = 4 * 1024 * 1024;

/** Absent on Windows, where creating a link requires a privilege. */
const noFollow = (constants as { O_NOFOLLOW?: number }).O_NOFOLLOW ?? 0;

export interface LinesChunk {
  /** Whole lines, including the last newline. Valid until the next chunk is requested. */
  readonly bytes: Buffer;
  /** The number of lines skipped because they are too long. */
  readonly tooLong: number;
  /** The file was rewritten, as a resumed run does: earlier lines are void, and reading started over. */
  readonly restarted: boolean;
  /** Whether more whole lines may be available. */
  readonly more: boolean;
}

const emptyChunk: LinesChunk = { bytes: Buffer.alloc(0), tooLong: 0, restarted: false, more: false };

/** An incomplete last line is held back until it is complete. */
export class LineTail {
  /** Bytes consumed so far, always at the start of a line. */
  private offset: number;
  private file = "";
  /** Inside a line whose rest is skipped: it is too long to come from Lathe, or reading began in the middle of it. */
  private skipping: boolean;
  private buffer = Buffer.alloc(0);

  /** Starts with the first line after `from` bytes. */
  constructor(
    private readonly path: string,
    private readonly maxLineBytes: number,
    from = 0,
  ) {
    this.offset = from;
    this.skipping = from > 0;
  }

  async next(): Promise<LinesChunk> {
    const handle = await openRegular(this.path);
    if (handle === undefined) return emptyChunk;
    try {
      const { ino, dev, size }: BigIntStats = await handle.stat({ bigint: true });
      const file = `${dev}:${ino}`;
      const restarted = this.file !== "" && (file !== this.file || size < this.offset);
      if (restarted) this.offset = 0;
      if (restarted) this.skipping = false;
      this.file = file;
      const length = Math.min(chunkBytes, Number(size) - this.offset);
      if (length === 0) return { ...emptyChunk, restarted };
      if (this.buffer.length < length) this.buffer = Buffer.allocUnsafeSlow(length);
      const { bytesRead } = await handle.read(this.buffer, 0, length, this.offset);
      const chunk = this.consume(this.buffer.subarray(0, bytesRead));
      if (!chunk.more) this.buffer = Buffer.alloc(0);
      return { ...chunk, restarted };
    } finally {
      await handle.close();
    }
  }

  private consume(bytes: Buffer): Omit<LinesChunk, "restarted"> {
    let start = 0;
    let end = bytes.lastIndexOf(newline) + 1;
    if (this.skipping && end > 0) start = bytes.indexOf(newline) + 1;
    if (end > 0) this.skipping = false;
    const whole = bytes.subarray(start, end);
    let tooLong = 0;
    if (bytes.length - end > this.maxLineBytes) {
      if (!this.skipping) tooLong = 1;
      this.skipping = true;
    }
    if (this.skipping) end = bytes.length;
    this.offset += end;
    return { bytes: whole, tooLong, more: bytes.length === chunkBytes && end > 0 };
  }
}

/**
 * Undefined if there is no such file. A link or a device in its place is not opened: it could lead anywhere, or
 * block.
 */
async function openRegular(path: string): Promise<FileHandle | undefined> {
  try {
    if (!(await lstat(path)).isFile())
      throw new WorkbenchError("io", `${path} is not a regular file, so it is not read. Remove it.`);
    return await open(path, constants.O_RDONLY | noFollow);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw thrown;
  }
}
