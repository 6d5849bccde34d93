/** Reads a JSON file of a model folder, with a size limit, and validates it against a schema. */
import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { refuseLfsPointer } from "../data/lfsPointer";

/** The index files of the largest models take a few megabytes. */
const maxBytes = 64 * 2 ** 20;

export function readJson<T>(path: string, schema: z.ZodType<T>): T {
  refuseLfsPointer(path);
  if (statSync(path).size > maxBytes)
    throw new WorkbenchError(
      "corrupt",
      `${path} is too large for a ${basename(path)} (at most ${maxBytes} bytes). Use another copy of the file.`,
    );
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new WorkbenchError(
      "corrupt",
      `${path} is not valid JSON (${(cause as Error).message}). Use another copy of the file.`,
      {},
      { cause },
    );
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new WorkbenchError("corrupt", `${path} has invalid content: ${z.prettifyError(parsed.error)}`);
}
