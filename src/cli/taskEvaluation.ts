/** `lathe eval MODEL --tasks NAMES`: a table of tasks, and a folder with the results of each document for `lathe compare`. */
import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { getDefaultCacheFolder } from "../backend/data/cacheFolder";
import metric, { type Tasks } from "../backend/evaluation/tasks";
import { tasks as catalog } from "../backend/evaluation/tasks/catalog";
import { formatTaskNumber } from "../backend/evaluation/harness/summarizeTask";
import { harnessVersion, listTaskValues } from "../backend/evaluation/harness/task";
import { findNearest } from "../backend/experiment/faults";
import { getEvaluationsFolder, writeEvaluation } from "../backend/runs/folder/evaluationFolder";
import { makeLatheFolder } from "../backend/runs/folder/latheFolder";
import { findWorkspaceAround, makeRunId } from "../backend/runs/folder/runLocation";
import { toWorkbenchError, WorkbenchError } from "../protocol/errors";
import type { LossProtocols } from "../protocol/lossProtocol";
import { formatCount } from "../protocol/quantities";
import type { OptionSpec, Outcome } from "./command";
import { openLab } from "./evaluationLab";
import { loadModel, type ModelOptions, omitModelOptions, openModelTokenizer } from "./modelArgument";
import { parseNumber, validateOptions } from "./optionParsing";
import { formatTable, type TableStyle } from "./table";
import { type Terminal, toPlainLine } from "./terminal";

export interface TaskFlags {
  readonly tasks?: readonly string[];
  readonly numFewshot?: number;
  readonly limit?: number;
  readonly fewshotSeed?: number;
  readonly maxLength?: number;
  readonly bootstrapIters?: number;
  readonly outputPath?: string;
  readonly batchSize?: number;
  readonly dataDir?: string;
  readonly addBos?: boolean;
  readonly device?: string;
}

export const taskFlags: readonly OptionSpec[] = [
  [
    "--tasks <names>",
    `tasks instead of a text, separated by commas: ${Object.keys(catalog).join(", ")}`,
    parseNames,
  ],
  ["--num-fewshot <count>", "solved examples before each question; default: that of the task", parseNumber],
  ["--limit <rows>", "evaluate only this many rows of each task, from the start", parseNumber],
  ["--fewshot-seed <number>", "seed for drawing examples; default: 1234", parseNumber],
  ["--max-length <tokens>", "most tokens that the model reads at once; default: its context", parseNumber],
  [
    "--bootstrap-iters <count>",
    "resamples for the standard error of a perplexity; default: 1000",
    parseNumber,
  ],
  ["--output-path <folder>", "folder for the results; default: a new one in .lathe/evaluations"],
];

function parseNames(text: string): readonly string[] {
  return text.split(",").map((name) => name.trim());
}

/** Keeps each task when it is done, so that stopping loses only the one in progress. */
export async function evaluateTasks(
  modelText: string,
  options: ModelOptions & TaskFlags & { readonly tasks: readonly string[] },
  terminal: Terminal,
): Promise<Outcome> {
  const { tasks: names, addBos, device, outputPath, ...rest } = omitModelOptions(options);
  for (const name of names) refuseUnknownTask(name);
  const parsed = validateOptions(
    metric.options,
    { ...rest, names, ...(addBos === undefined ? {} : { addBosToken: addBos }) },
    { names: "--tasks", add_bos_token: "--add-bos" },
  );
  if (outputPath !== undefined) refuseUsedFolder(outputPath);
  const model = await loadModel(modelText, options, terminal);
  metric.checkModel?.(model.shape);
  const tokenizer = await openModelTokenizer(model, options);
  const subject = { ...model, tokenizer };
  await metric.check?.(subject, parsed, {
    baseFolder: process.cwd(),
    cacheFolder: getDefaultCacheFolder(),
  });
  await using lab = await openLab({ device }, terminal);
  const folder = outputPath === undefined ? createFolder(model.source) : resolve(outputPath);
  let protocols: LossProtocols = {};
  let details: Tasks | undefined;
  for (const name of names) {
    const measured = await metric
      .evaluate(subject, { ...parsed, names: [name] }, lab)
      .catch((thrown: unknown) => {
        throw nameFolder(toWorkbenchError(thrown), Object.keys(details?.results ?? {}), folder);
      });
    protocols = { ...protocols, ...measured.protocols };
    details = { ...measured.details, results: { ...details?.results, ...measured.details.results } };
    const record = { model: model.source, device: lab.engine.device.name, protocols, details };
    writeEvaluation(folder, record, measured.files ?? {});
  }
  const { results } = details!;
  return {
    document: { model: model.source, device: lab.engine.device.name, folder, ...details },
    text: [
      formatTaskTable(results, terminal),
      "",
      ...Object.entries(results).map(
        ([name, { split, documents }]) => `${name}: ${split} split, ${formatCount(documents)} rows.`,
      ),
      `Prompts, splits and scoring of lm-evaluation-harness ${harnessVersion}.`,
      `Each row is in ${toPlainLine(folder)}; compare two of them with lathe compare.`,
    ].join("\n"),
  };
}

/** Of an evaluation that was stopped or failed after some of its tasks. */
function nameFolder(
  { code, message, details, cause }: WorkbenchError,
  done: readonly string[],
  folder: string,
): WorkbenchError {
  const kept = done.length === 0 ? "" : ` The results of ${done.join(", ")} are in ${folder}.`;
  return new WorkbenchError(code, `${message}${kept}`, details, { cause });
}

function refuseUnknownTask(name: string): void {
  if (Object.hasOwn(catalog, name)) return;
  const allowed = Object.keys(catalog);
  const nearest = findNearest(name, allowed);
  const guess = nearest === undefined ? "" : ` Did you mean "${nearest}"?`;
  throw new WorkbenchError(
    "invalid-input",
    `--tasks: unknown task "${toPlainLine(name)}". Allowed: ${allowed.join(", ")}.${guess}`,
    { allowed },
  );
}

function refuseUsedFolder(path: string): void {
  const folder = resolve(path);
  if (!existsSync(folder) || readdirSync(folder).length === 0) return;
  throw new WorkbenchError(
    "invalid-input",
    `--output-path: ${folder} is not empty. Name another folder, so that no results are replaced.`,
  );
}

function createFolder(source: string): string {
  const workspace = findWorkspaceAround(process.cwd());
  makeLatheFolder(workspace);
  return join(getEvaluationsFolder(workspace), makeRunId(`eval-${basename(source)}`));
}

/** As lm-evaluation-harness prints it; an arrow points to the better values. */
function formatTaskTable(results: Tasks["results"], style: TableStyle): string {
  const head = ["task", "version", "n-shot", "metric", "value", "± stderr"];
  const rows = Object.entries(results).flatMap(([name, { values, version, num_fewshot: shots }]) => {
    const goals = listTaskValues(catalog[name]!);
    const owners = new Set(Object.keys(values).map((key) => key.slice(0, key.indexOf("/"))));
    return [...owners].flatMap((owner) =>
      Object.entries(goals).map(([key, goal]) => {
        const error = values[`${owner}/${key}_stderr`];
        return [
          owner,
          version,
          String(shots),
          `${key} ${goal === "maximize" ? "↑" : "↓"}`,
          formatTaskNumber(values[`${owner}/${key}`]!),
          error === undefined ? "–" : formatTaskNumber(error),
        ];
      }),
    );
  });
  return formatTable(head, rows, style);
}
