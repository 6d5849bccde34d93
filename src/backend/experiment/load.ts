/** Loads an experiment from a file. */
import { open } from "node:fs/promises";
import { maxCharacters } from "../../protocol/cells";
import { InvalidInput, toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import type { SchemaCatalog } from "../../schema/experiment";
import type { Experiment } from "./experiment";
import { createFault } from "./faults";
import { parseExperiment } from "./parse";

/** No character takes more bytes in UTF-8. */
const maxBytes = 4 * maxCharacters;

/** Messages show `file` as it was specified. */
export async function loadExperiment(file: string, catalog: SchemaCatalog): Promise<Experiment> {
  const bytes = await readStart(file);
  const place = { file, line: 1, column: 1 };
  if (bytes.length > maxBytes)
    throw new InvalidInput([
      createFault(place, `the file is larger than ${maxBytes} bytes. Is it an experiment?`),
    ]);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InvalidInput([
      createFault(place, "the file is not valid UTF-8. Save it as UTF-8, or choose another."),
    ]);
  }
  return parseExperiment(text, file, catalog);
}

/** The whole file, or one byte more than allowed if it is too large or endless. */
async function readStart(file: string): Promise<Buffer> {
  try {
    const handle = await open(file);
    try {
      if ((await handle.stat()).isDirectory())
        throw new WorkbenchError(
          "invalid-input",
          `${file} is a folder. Name an experiment file, such as ${file}/first.lathe.md.`,
        );
      const buffer = Buffer.alloc(maxBytes + 1);
      let length = 0;
      for (let read = 1; read > 0 && length < buffer.length; length += read)
        ({ bytesRead: read } = await handle.read(buffer, length, buffer.length - length, null));
      return buffer.subarray(0, length);
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    const error = toWorkbenchError(thrown);
    if (error.code !== "not-found") throw error;
    throw new WorkbenchError(
      "not-found",
      `There is no experiment ${file}. Check the path.`,
      {},
      { cause: thrown },
    );
  }
}
