/** Reads a JSON file of a model folder, within bounds and against a schema. */
import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { refuseLfsPointer } from "../data/lfsPointer";

/** The index of the largest models has a few megabytes. */
const mostBytes = 64 * 2 ** 20;

export function readJson<T>(path: string, schema: z.ZodType<T>): T {
  refuseLfsPointer(path);
  if (statSync(path).size > mostBytes)
    throw new WorkbenchError(
      "corrupt",
      `${path} is too large for a ${basename(path)}. Use another copy of it.`,
    );
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new WorkbenchError(
      "corrupt",
      `${path} is no JSON (${(cause as Error).message}). Use another copy of it.`,
      {},
      { cause },
    );
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new WorkbenchError("corrupt", `${path} is not what it should be: ${z.prettifyError(parsed.error)}`);
}
