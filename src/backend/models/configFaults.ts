/** Reports faults in a configuration that was read from a file rather than from an experiment's cell. */
import { distance } from "fastest-levenshtein";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";

/** Returns the known word that is closest to a likely typo, if any is close enough. */
export function findNearest(word: string, words: readonly string[]): string | undefined {
  const ranked = words
    .map((candidate) => ({ candidate, edits: distance(word, candidate) }))
    .sort((a, b) => a.edits - b.edits);
  return ranked[0] !== undefined && ranked[0].edits <= Math.max(1, word.length / 3)
    ? ranked[0].candidate
    : undefined;
}

export function toConfigFaults(
  issues: readonly z.core.$ZodIssue[],
  schema: z.ZodType,
  config: Readonly<Record<string, unknown>>,
): WorkbenchError[] {
  const keys = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  return issues.flatMap((issue) => {
    const path = issue.path.join(".");
    if (issue.code !== "unrecognized_keys") {
      const where = path === "" ? "The model configuration" : path;
      const value = issue.path.reduce<unknown>(
        (parent, key) => (parent as Readonly<Record<PropertyKey, unknown>> | undefined)?.[key],
        config,
      );
      const detail =
        path === "" || value === undefined ? "" : ` (found ${JSON.stringify(value).slice(0, 80)})`;
      return [new WorkbenchError("invalid-input", `${where}: ${issue.message}${detail}.`)];
    }
    return issue.keys.map((key) => {
      const near = path === "" ? findNearest(key, keys) : undefined;
      return new WorkbenchError(
        "invalid-input",
        `Unknown key ${path === "" ? key : `${path}.${key}`} in the model configuration.` +
          (near === undefined
            ? " Remove it if it does not change what the model computes."
            : ` Did you mean ${near}?`),
        near === undefined ? {} : { nearest: near, allowed: keys },
      );
    });
  });
}
