/** Evaluations that belong to no run: `evaluation.json` with the results, and a file of documents for each task. */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { LossProtocols } from "../../../protocol/lossProtocol";
import { writeAtomic } from "./atomicFile";
import { readBounded } from "./boundedFile";
import type { EvaluatedTasks } from "./compareTasks";
import { readDocumentFiles } from "./documentResults";
import { lossProtocolsSchema } from "./runRecord";

const recordName = "evaluation.json";
const maxBytes = 8 * 2 ** 20;

export interface EvaluationRecord {
  /** Path or id of the evaluated model. */
  readonly model: string;
  readonly device: string;
  readonly protocols: LossProtocols;
  readonly details: object;
}

const recordSchema = z.looseObject({ model: z.string(), protocols: lossProtocolsSchema });

export function getEvaluationsFolder(workspace: string): string {
  return join(workspace, ".lathe", "evaluations");
}

export function isEvaluation(folder: string): boolean {
  return existsSync(join(folder, recordName));
}

/** Adds files and replaces the record, which is written last. */
export function writeEvaluation(
  folder: string,
  record: EvaluationRecord,
  files: Readonly<Record<string, string>>,
): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeAtomic(join(folder, name), text, { durable: true });
  writeAtomic(join(folder, recordName), `${JSON.stringify(record, undefined, 2)}\n`, { durable: true });
}

export function readEvaluation(folder: string): EvaluatedTasks {
  const path = join(folder, recordName);
  try {
    const { protocols } = recordSchema.parse(JSON.parse(readBounded(path, maxBytes)));
    return { id: basename(folder), documents: readDocumentFiles(folder), protocols };
  } catch (thrown) {
    if (thrown instanceof WorkbenchError) throw thrown;
    throw new WorkbenchError(
      "corrupt",
      `${path} is not the record of an evaluation. Evaluate the model again.`,
      {},
      { cause: toWorkbenchError(thrown) },
    );
  }
}

/** The folder of the evaluation with this id, or whose id begins with the text; undefined if there is none. */
export function findEvaluation(text: string, evaluations: string): string | undefined {
  if (!existsSync(evaluations)) return undefined;
  const ids = readdirSync(evaluations).filter((id) => isEvaluation(join(evaluations, id)));
  const matches = ids.includes(text) ? [text] : ids.filter((id) => id.startsWith(text));
  if (matches.length > 1)
    throw new WorkbenchError(
      "invalid-input",
      `${text} matches ${matches.length} evaluations: ${matches.sort().slice(0, 5).join(", ")}. Give more of the id.`,
      { allowed: matches },
    );
  return matches[0] === undefined ? undefined : join(evaluations, matches[0]);
}
