/**
 * The token cache: ids of a whole corpus and a table of its pieces in one file, written once and read by position.
 *
 * Layout: ids (2 or 4 bytes each), table (six 32-bit numbers a piece), manifest (JSON), its length (32 bits), magic.
 * Numbers are in the machine's byte order, as the file never leaves the machine. A file is written under a name of
 * its own and renamed when complete, so two processes may build the same one; what does not match its manifest is
 * not used.
 */
import { createHash, randomBytes } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { type RowCounts, rowCountsSchema } from "./rowScreen";
import type { TextCounts } from "./spaces";

const MAGIC = "LATHETOK";
const BUFFER_IDS = 1 << 19;
/** tokens, bytes, words, lines, flags, characters */
const COLUMNS = 6;
const ENDS_DOCUMENT = 1;
const MASKED = 2;
const LABEL = 4;
const TYPE_1 = 8;
const CHOSEN = 16;
const REJECTED = 32;

/** Which answer of a preference pair a text has. */
export type PairSide = "chosen" | "rejected";

export interface PieceRow extends TextCounts {
  readonly tokens: number;
  readonly characters: number;
  readonly endsDocument: boolean;
  /** No loss counts for these tokens. */
  readonly masked: boolean;
  /** Its one number is a label and not a token. */
  readonly isLabel?: boolean;
  /** Which text of a pair it is to an encoder; 0 unless given. */
  readonly tokenType?: 0 | 1;
  /** Of preference pairs, whose documents are two texts. */
  readonly side?: PairSide | undefined;
}

/** What became of preference pairs that are longer than a sequence. */
const pairCountsSchema = z.strictObject({ cut: z.int().min(0), dropped: z.int().min(0) });
export type PairCounts = z.infer<typeof pairCountsSchema>;

const manifestSchema = z.strictObject({
  key: z.string(),
  width: z.union([z.literal(2), z.literal(4)]),
  tokens: z.int().min(0),
  pieces: z.int().min(0),
  /** -1 where there are no tokens. Labels are not counted. */
  highestId: z.int().min(-1),
  /** Of sources of rows. */
  rows: rowCountsSchema.optional(),
  /** Of preference pairs. */
  pairs: pairCountsSchema.optional(),
  sha256: z.string(),
});
type Manifest = z.infer<typeof manifestSchema>;

export class TokenFileWriter {
  readonly #digest = createHash("sha256");
  readonly #ids: Uint16Array | Uint32Array;
  readonly #table = new RowTable();
  #filled = 0;
  #tokens = 0;
  #highestId = -1;

  private constructor(
    readonly file: string,
    readonly temporary: string,
    readonly handle: FileHandle,
    readonly key: string,
    vocabSize: number,
  ) {
    this.#ids = vocabSize <= 0x10000 ? new Uint16Array(BUFFER_IDS) : new Uint32Array(BUFFER_IDS);
  }

  static async create(file: string, key: string, vocabSize: number): Promise<TokenFileWriter> {
    const folder = path.dirname(file);
    const temporary = `${file}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
    try {
      await mkdir(folder, { recursive: true });
      await removeAbandoned(folder);
      return new TokenFileWriter(file, temporary, await open(temporary, "wx"), key, vocabSize);
    } catch (cause) {
      const { code } = toWorkbenchError(cause);
      if (code !== "io") throw cause;
      throw new WorkbenchError(
        code,
        `The token cache cannot be written in ${folder} (${String((cause as NodeJS.ErrnoException).code)}). ` +
          "Name a folder that can be written with the environment variable LATHE_CACHE.",
        {},
        { cause },
      );
    }
  }

  async add(parts: readonly ArrayLike<number>[], row: Omit<PieceRow, "tokens">): Promise<void> {
    let tokens = 0;
    for (const part of parts) {
      tokens += part.length;
      for (let i = 0; i < part.length;) {
        if (this.#filled === BUFFER_IDS) await this.#flush();
        const end = Math.min(part.length, i + BUFFER_IDS - this.#filled);
        while (i < end) {
          const id = part[i++]!;
          this.#ids[this.#filled++] = id;
          if (id > this.#highestId && row.isLabel !== true) this.#highestId = id;
        }
      }
    }
    this.#tokens += tokens;
    const flags =
      (row.endsDocument ? ENDS_DOCUMENT : 0) |
      (row.masked ? MASKED : 0) |
      (row.isLabel === true ? LABEL : 0) |
      (row.tokenType === 1 ? TYPE_1 : 0) |
      (row.side === undefined ? 0 : row.side === "chosen" ? CHOSEN : REJECTED);
    this.#table.add([tokens, row.bytes, row.words, row.lines, flags, row.characters]);
  }

  /** Writes the rest, gives the file its name, and closes. */
  async finish(rows?: RowCounts, pairs?: PairCounts): Promise<void> {
    await this.#flush();
    const table = this.#table.bytes();
    await this.#write(table);
    const manifest: Manifest = {
      key: this.key,
      width: this.#ids.BYTES_PER_ELEMENT as 2 | 4,
      tokens: this.#tokens,
      pieces: table.length / (4 * COLUMNS),
      highestId: this.#highestId,
      ...(rows === undefined ? {} : { rows }),
      ...(pairs === undefined ? {} : { pairs }),
      sha256: this.#digest.digest("hex"),
    };
    const text = Buffer.from(JSON.stringify(manifest));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    await this.handle.writeFile(Buffer.concat([text, length, Buffer.from(MAGIC)]));
    await this.handle.close();
    await rename(this.temporary, this.file).catch(async (thrown: unknown) => {
      // Windows refuses to replace a file that another process reads: then it is there already, and the same.
      await rm(this.temporary, { force: true });
      if (!(await isFile(this.file))) throw thrown;
    });
  }

  async abandon(): Promise<void> {
    await this.handle.close();
    await rm(this.temporary, { force: true });
  }

  async #flush(): Promise<void> {
    const bytes = new Uint8Array(this.#ids.buffer, 0, this.#filled * this.#ids.BYTES_PER_ELEMENT);
    this.#filled = 0;
    await this.#write(bytes);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#digest.update(bytes);
    await this.handle.writeFile(bytes);
  }
}

/** Rows of numbers that grow without a JavaScript object each. */
class RowTable {
  #numbers = new Uint32Array(COLUMNS * 1024);
  #length = 0;
  add(row: readonly number[]): void {
    if (this.#length + row.length > this.#numbers.length) {
      const grown = new Uint32Array(this.#numbers.length * 2);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers.set(row, this.#length);
    this.#length += row.length;
  }
  bytes(): Uint8Array {
    return new Uint8Array(this.#numbers.buffer, 0, this.#length * 4);
  }
}

export class TokenFile implements Disposable {
  #descriptor: number | undefined;
  private constructor(
    readonly file: string,
    readonly manifest: Manifest,
    readonly table: Uint32Array,
    descriptor: number,
  ) {
    this.#descriptor = descriptor;
  }

  /** Undefined when there is no such file; `"damaged"` when its content contradicts its manifest. */
  static async open(file: string, key: string): Promise<TokenFile | "damaged" | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(file, "r");
    } catch (thrown) {
      if ((thrown as { code?: string }).code === "ENOENT") return undefined;
      throw toWorkbenchError(thrown);
    }
    try {
      const manifest = await readManifest(handle);
      if (manifest?.key !== key) return "damaged";
      const table = new Uint32Array(manifest.pieces * COLUMNS);
      const idBytes = manifest.tokens * manifest.width;
      const tableBytes = new Uint8Array(table.buffer);
      await readFully(handle, tableBytes, idBytes);
      const digest = createHash("sha256");
      const buffer = new Uint8Array(1 << 20);
      for (let at = 0; at < idBytes; at += buffer.length) {
        const part = buffer.subarray(0, Math.min(buffer.length, idBytes - at));
        await readFully(handle, part, at);
        digest.update(part);
      }
      if (digest.update(tableBytes).digest("hex") !== manifest.sha256) return "damaged";
      return new TokenFile(file, manifest, table, openSync(file, "r"));
    } finally {
      await handle.close();
    }
  }

  get pieces(): number {
    return this.manifest.pieces;
  }

  row(piece: number): PieceRow {
    const numbers = this.table.subarray(piece * COLUMNS, (piece + 1) * COLUMNS);
    const [tokens, bytes, words, lines, flags, characters] = numbers;
    return {
      tokens: tokens!,
      characters: characters!,
      bytes: bytes!,
      words: words!,
      lines: lines!,
      endsDocument: (flags! & ENDS_DOCUMENT) !== 0,
      masked: (flags! & MASKED) !== 0,
      isLabel: (flags! & LABEL) !== 0,
      tokenType: (flags! & TYPE_1) === 0 ? 0 : 1,
      side: (flags! & CHOSEN) !== 0 ? "chosen" : (flags! & REJECTED) !== 0 ? "rejected" : undefined,
    };
  }

  /** The first id from `least` on: the number of its document, and the byte of that document at which its row begins. */
  findId(
    least: number,
  ):
    | { readonly id: number; readonly document: number; readonly piece: number; readonly index: number }
    | undefined {
    if (this.manifest.highestId < least) return undefined;
    let [document, position] = [0, 0];
    for (let piece = 0; piece < this.pieces; piece++) {
      const { tokens, endsDocument, isLabel } = this.row(piece);
      const ids = new Int32Array(tokens);
      this.read(position, tokens, ids, 0);
      const index = isLabel === true ? -1 : ids.findIndex((id) => id >= least);
      if (index >= 0) return { id: ids[index]!, document, piece, index };
      position += tokens;
      if (endsDocument) document++;
    }
    return undefined;
  }

  /** Copies `count` ids from position `from` of the file to position `at` of `into`. */
  read(from: number, count: number, into: Int32Array, at: number): void {
    if (this.#descriptor === undefined) throw new WorkbenchError("internal", `${this.file} is closed.`);
    const { width } = this.manifest;
    const ids = width === 2 ? new Uint16Array(count) : new Uint32Array(count);
    const bytes = new Uint8Array(ids.buffer);
    for (let done = 0; done < bytes.length;) {
      const read = readSync(this.#descriptor, bytes, done, bytes.length - done, from * width + done);
      if (read === 0)
        throw new WorkbenchError(
          "corrupt",
          `The token cache ${this.file} became shorter while it was read. Run again; it is rebuilt.`,
        );
      done += read;
    }
    into.set(ids, at);
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

async function readManifest(handle: FileHandle): Promise<Manifest | undefined> {
  const { size } = await handle.stat();
  const tail = Buffer.alloc(4 + MAGIC.length);
  if (size < tail.length) return undefined;
  await readFully(handle, tail, size - tail.length);
  const length = tail.readUInt32LE(0);
  if (tail.toString("latin1", 4) !== MAGIC || length > 65_536 || length + tail.length > size)
    return undefined;
  const text = Buffer.alloc(length);
  await readFully(handle, text, size - tail.length - length);
  let json: unknown;
  try {
    json = JSON.parse(text.toString("utf8"));
  } catch {
    return undefined; // A manifest that does not parse is a damaged file, which the caller reports.
  }
  const manifest = manifestSchema.safeParse(json).data;
  if (manifest === undefined) return undefined;
  const body = manifest.tokens * manifest.width + manifest.pieces * COLUMNS * 4;
  return body + length + tail.length === size ? manifest : undefined;
}

async function readFully(handle: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0)
      throw new WorkbenchError("corrupt", "The token cache changed while it was read. Run again.");
    done += bytesRead;
  }
}

/** Temporary files of processes that were killed; a day is longer than any build takes. */
async function removeAbandoned(folder: string): Promise<void> {
  const oldest = Date.now() - 24 * 3600 * 1000;
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".tmp")) continue;
    const file = path.join(folder, name);
    const stats = await stat(file).catch(() => undefined); // Another process may just have removed it.
    if (stats !== undefined && stats.mtimeMs < oldest) await rm(file, { force: true });
  }
}

async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (stats) => stats.isFile(),
    () => false,
  );
}
