/** A file as text in parts: unzipped, checked to be UTF-8, never whole in memory. */
import { createReadStream } from "node:fs";
import { type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { type DataFile, throwIfCancelled } from "../files";

export interface ReadContext {
  readonly signal: AbortSignal | undefined;
  /** Called with the bytes of the file that were read since the last call. */
  report(bytes: number): void;
}

export async function* decodedText(file: DataFile, context: ReadContext): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let read = 0;
  let start: Buffer | undefined;
  const refuse = (what: string): WorkbenchError =>
    new WorkbenchError(
      "invalid-input",
      `${file.path} is not text: ${what}.${guess(start)} Take it out of the data with a narrower pattern, ` +
        "or convert it to UTF-8.",
      { file: file.path },
    );
  for await (const chunk of byteChunks(file, context)) {
    start ??= chunk;
    const nul = chunk.indexOf(0);
    if (nul >= 0) throw refuse(`it holds a NUL byte at position ${read + nul}`);
    let text: string;
    try {
      text = decoder.decode(chunk, { stream: true });
    } catch {
      throw refuse(`it is not valid UTF-8 around byte ${read}`);
    }
    read += chunk.length;
    if (text !== "") yield text;
  }
  try {
    decoder.decode();
  } catch {
    throw refuse("it ends inside a UTF-8 character");
  }
}

export async function* byteChunks(file: DataFile, context: ReadContext): AsyncGenerator<Buffer> {
  const raw = createReadStream(file.path, { highWaterMark: 1 << 18 });
  let stream: Readable = raw;
  if (file.gzip) {
    const gunzip = createGunzip({ chunkSize: 1 << 18 });
    raw.on("error", (error) => gunzip.destroy(error));
    raw.on("data", (chunk) => context.report(chunk.length));
    stream = raw.pipe(gunzip);
  }
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      throwIfCancelled(context.signal);
      if (!file.gzip) context.report(chunk.length);
      yield chunk;
    }
  } catch (thrown) {
    const code = (thrown as { code?: unknown }).code;
    if (typeof code === "string" && code.startsWith("Z_"))
      throw new WorkbenchError(
        "invalid-input",
        `${file.path} is not an intact gzip file (${(thrown as Error).message}). Make or download it again.`,
        { file: file.path },
        { cause: thrown },
      );
    throw toWorkbenchError(thrown);
  } finally {
    raw.destroy();
  }
}

function guess(start: Buffer | undefined): string {
  if (start === undefined) return "";
  if (start[0] === 0x1f && start[1] === 0x8b)
    return " It looks gzipped; a name that ends in .gz has it unzipped.";
  if (start.toString("latin1", 0, 4) === "PAR1") return " It looks like Parquet; set `format: parquet`.";
  if ((start[0] === 0xff && start[1] === 0xfe) || (start[0] === 0xfe && start[1] === 0xff))
    return " It looks like UTF-16.";
  return "";
}
