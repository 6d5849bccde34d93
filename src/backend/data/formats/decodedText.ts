/** A file as text in parts: decompressed, decoded, checked, never whole in memory. */
import { createReadStream } from "node:fs";
import { pipeline, Readable } from "node:stream";
import { TextDecoder } from "node:util";
import { createGunzip } from "node:zlib";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { type DataFile, throwIfCancelled } from "../files";
import { decompressZstd } from "./zstd";

export interface ReadContext {
  readonly signal: AbortSignal | undefined;
  /** Called with the bytes of the file that were read since the last call. */
  report(bytes: number): void;
}

/** `encoding` is a label of the WHATWG Encoding Standard; without it a byte-order mark decides, otherwise UTF-8. */
export async function* readDecodedText(
  file: DataFile,
  encoding: string | undefined,
  context: ReadContext,
): AsyncGenerator<string> {
  let decoder: CheckedDecoder | undefined;
  for await (const chunk of readByteChunks(file, context)) {
    decoder ??= new CheckedDecoder(file, resolveEncoding(chunk, encoding), chunk);
    const text = await decoder.decode(chunk, false);
    if (text !== "") yield text;
  }
  if (decoder !== undefined) yield await decoder.decode(new Uint8Array(0), true);
}

class CheckedDecoder {
  readonly #file: DataFile;
  readonly #label: string;
  readonly #decoder: TextDecoder;
  readonly #start: Buffer;
  readonly #checksNul: boolean;
  #read = 0;

  constructor(file: DataFile, label: string, start: Buffer) {
    this.#file = file;
    this.#label = label;
    this.#start = start;
    this.#decoder = createDecoder(label);
    this.#checksNul = !label.startsWith("utf-16");
  }

  async decode(chunk: Uint8Array, final: boolean): Promise<string> {
    const nul = this.#checksNul ? chunk.indexOf(0) : -1;
    if (nul >= 0) throw await this.#refusal(this.#read + nul, "it has a NUL byte");
    try {
      const text = this.#decoder.decode(chunk, { stream: !final });
      this.#read += chunk.length;
      return text;
    } catch {
      const at = await findFirstFault(this.#file, this.#label);
      const name = formatEncodingName(this.#label);
      const what = final ? `it ends inside a ${name} character` : `it has a byte that is not valid ${name}`;
      throw await this.#refusal(at ?? this.#read, what);
    }
  }

  async #refusal(at: number, what: string): Promise<WorkbenchError> {
    const { path } = this.#file;
    const { line, column } = await locateByte(this.#file, at);
    return new WorkbenchError(
      "invalid-input",
      `${path} is not text: ${what} at position ${at} (line ${line}).${guessEncoding(this.#start)} Exclude the file with a narrower ` +
        "pattern, set data.encoding to the file's encoding, or convert it to UTF-8.",
      { file: path, position: { file: path, line, column } },
    );
  }
}

function createDecoder(label: string): TextDecoder {
  try {
    return new TextDecoder(label, { fatal: true });
  } catch {
    throw new WorkbenchError(
      "invalid-input",
      `data.encoding "${label}" is not a known encoding. Use a label of the WHATWG Encoding Standard, for example utf-8, utf-16le, windows-1252, shift_jis or gbk.`,
    );
  }
}

function resolveEncoding(start: Buffer, encoding: string | undefined): string {
  if (start[0] === 0xef && start[1] === 0xbb && start[2] === 0xbf) return "utf-8";
  if (start[0] === 0xff && start[1] === 0xfe) return "utf-16le";
  if (start[0] === 0xfe && start[1] === 0xff) return "utf-16be";
  return encoding ?? "utf-8";
}

function formatEncodingName(label: string): string {
  return label === "utf-8" ? "UTF-8" : label;
}

const unreported = { signal: undefined, report: () => undefined };

/** Position of the first byte of the first character that cannot be decoded. Reads the file again, byte by byte. */
async function findFirstFault(file: DataFile, label: string): Promise<number | undefined> {
  const whole = createDecoder(label);
  let chunkStart = 0;
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of readByteChunks(file, unreported)) {
    try {
      whole.decode(chunk, { stream: true });
    } catch {
      return chunkStart - pending.length + findFault(Buffer.concat([pending, chunk]), label);
    }
    chunkStart += chunk.length;
    pending = getIncompleteTail(chunk, label);
  }
  return chunkStart - pending.length;
}

/** The last bytes of a chunk of UTF-8 that begin a character which the chunk does not finish. */
function getIncompleteTail(chunk: Buffer, label: string): Buffer {
  if (label !== "utf-8") return chunk.subarray(chunk.length);
  for (let back = 1; back <= Math.min(3, chunk.length); back++) {
    const byte = chunk[chunk.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return chunk.subarray(chunk.length - (length > back ? back : 0));
  }
  return chunk.subarray(chunk.length);
}

function findFault(bytes: Buffer, label: string): number {
  const decoder = createDecoder(label);
  let start = 0;
  for (let at = 0; at < bytes.length; at++)
    try {
      if (decoder.decode(bytes.subarray(at, at + 1), { stream: true }) !== "") start = at + 1;
    } catch {
      return start;
    }
  return start;
}

/** Line and column, counted in bytes, of a byte of the decompressed file. */
async function locateByte(file: DataFile, position: number): Promise<{ line: number; column: number }> {
  let [line, lineStart, at] = [1, 0, 0];
  for await (const chunk of readByteChunks(file, unreported)) {
    const end = Math.min(chunk.length, position - at);
    for (let next = chunk.indexOf(10); next >= 0 && next < end; next = chunk.indexOf(10, next + 1)) {
      line++;
      lineStart = at + next + 1;
    }
    at += chunk.length;
    if (at > position) break;
  }
  return { line, column: position - lineStart + 1 };
}

export async function* readByteChunks(file: DataFile, context: ReadContext): AsyncGenerator<Buffer> {
  const raw = createReadStream(file.path, { highWaterMark: 1 << 18 });
  async function* reported(): AsyncGenerator<Buffer> {
    for await (const chunk of raw as AsyncIterable<Buffer>) {
      context.report(chunk.length);
      yield chunk;
    }
  }
  const stream = file.compression === undefined ? reported() : decompress(file.compression, reported());
  try {
    for await (const chunk of stream) {
      throwIfCancelled(context.signal);
      yield chunk;
    }
  } catch (thrown) {
    const isDamage =
      thrown instanceof DamagedError || String((thrown as { code?: unknown }).code).startsWith("Z_");
    if (isDamage)
      throw new WorkbenchError(
        "invalid-input",
        `${file.path} is not an intact ${file.compression === "zstd" ? "Zstandard" : "gzip"} file (${(thrown as Error).message}). Make or download it again.`,
        { file: file.path },
        { cause: thrown },
      );
    throw toWorkbenchError(thrown);
  } finally {
    raw.destroy();
  }
}

class DamagedError extends Error {}

async function* decompress(
  compression: NonNullable<DataFile["compression"]>,
  chunks: AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer> {
  if (compression === "gzip") {
    const gunzip = createGunzip({ chunkSize: 1 << 18 });
    // The loop that reads the result receives the errors of both.
    pipeline(Readable.from(chunks), gunzip, () => undefined);
    yield* gunzip as AsyncIterable<Buffer>;
    return;
  }
  try {
    yield* decompressZstd(chunks);
  } catch (thrown) {
    // Reading errors have the code of the system; the library's are numbers.
    if (typeof (thrown as { code?: unknown }).code === "string") throw thrown;
    throw new DamagedError((thrown as Error).message, { cause: thrown });
  }
}

function guessEncoding(start: Buffer): string {
  if (start[0] === 0x1f && start[1] === 0x8b)
    return " It looks gzipped; a name that ends in .gz has it decompressed.";
  if (start.length >= 4 && start.readUInt32LE(0) === 0xfd2fb528)
    return " It looks like Zstandard; a name that ends in .zst has it decompressed.";
  if (start.toString("latin1", 0, 4) === "PAR1") return " It looks like Parquet; set `format: parquet`.";
  if (start.toString("latin1", 0, 6) === "ARROW1") return " It looks like Arrow; set `format: arrow`.";
  if (start.indexOf(0) >= 0 && start.indexOf(0) < 4) return " It may be UTF-16 or UTF-32.";
  return "";
}
