/** Reads rows of LongBench's form, and checks that each can be scored. */
import { WorkbenchError } from "../../../protocol/errors";
import { findFiles } from "../../data/files";
import { type DocumentPlaces, readRows } from "../harness/documentFiles";
import { TaskDocument } from "../harness/document";
import { longBenchDatasets, type LongBenchDataset, plainDataset } from "./datasets";
import { findParagraph, type ScoreName } from "./scores";

export interface LongBenchDocument {
  /** That of the row; `questions` if the row names none. */
  readonly dataset: string;
  readonly settings: LongBenchDataset;
  readonly input: string;
  readonly context: string;
  readonly answers: readonly string[];
  readonly classes: readonly string[];
  /** Words of the context, as the benchmark counts them. */
  readonly length?: number;
  readonly id?: string;
  readonly hash: string;
}

export interface ReadingOptions {
  readonly path: string | readonly string[];
  /** The score of all rows, whatever their dataset. */
  readonly score?: ScoreName | undefined;
  /** Rows of each file. */
  readonly limit?: number | undefined;
}

export type ReadingPlaces = Pick<DocumentPlaces, "baseFolder" | "cacheFolder" | "signal">;

/** Throws with file and line if a row lacks a field, or cannot be scored. */
export async function readLongBench(
  { path, score, limit = Infinity }: ReadingOptions,
  places: ReadingPlaces,
): Promise<LongBenchDocument[]> {
  const documents: LongBenchDocument[] = [];
  for (const name of [path].flat()) {
    const files = await findFiles([name], places.baseFolder, "auto");
    if (files.length === 0)
      throw new WorkbenchError(
        "not-found",
        `longbench.path: no file matches ${name} in ${places.baseFolder}. Name a JSONL file of LongBench, such as hotpotqa.jsonl.`,
      );
    for (const file of files) {
      let rows = 0;
      for await (const { values, where } of readRows(file, places)) {
        if (rows++ >= limit) break;
        documents.push(readDocument(new TaskDocument(values, where), score));
      }
      if (rows === 0)
        throw new WorkbenchError(
          "invalid-input",
          `longbench.path: ${file.path} has no rows. Provide a file with at least one.`,
        );
    }
  }
  return documents;
}

function readDocument(row: TaskDocument, score: ScoreName | undefined): LongBenchDocument {
  const dataset = row.has("dataset") ? row.text("dataset") : "questions";
  const known = findSettings(row, dataset, score);
  const settings = score === undefined ? known : { ...known, score };
  refuseChineseWords(row, dataset, settings);
  const answers = row.texts("answers");
  if (answers.length === 0) row.refuse("its field answers is empty, so that no prediction could be right");
  const classes = settings.score === "classification" ? row.texts("all_classes") : [];
  for (const answer of answers) {
    if (settings.score === "classification" && !classes.includes(answer))
      row.refuse(`its answer ${JSON.stringify(answer)} is not among its all_classes`);
    if (settings.score === "retrieval" && findParagraph(answer) === undefined)
      row.refuse(`its answer ${JSON.stringify(answer)} names no paragraph, as "Paragraph 3" does`);
  }
  return {
    dataset,
    settings,
    input: row.text("input"),
    context: row.text("context"),
    answers,
    classes,
    ...(row.has("length") ? { length: row.integer("length") } : {}),
    ...(row.has("_id") ? { id: row.text("_id") } : {}),
    hash: row.hash,
  };
}

function findSettings(row: TaskDocument, dataset: string, score: ScoreName | undefined): LongBenchDataset {
  // The rows of LongBench-E are in files named hotpotqa_e.
  const name = dataset.replace(/_e$/, "");
  if (Object.hasOwn(longBenchDatasets, name)) return longBenchDatasets[name]!;
  if (!/^[\w.-]+$/.test(dataset))
    row.refuse(
      `its dataset has to consist of letters, digits, dots, dashes and underscores, but is ${JSON.stringify(dataset)}`,
    );
  if (score === undefined && row.has("dataset"))
    row.refuse(
      `its dataset ${dataset} is not one of LongBench (${Object.keys(longBenchDatasets).join(", ")}). For other data, set longbench.score`,
    );
  return plainDataset;
}

/** Words of Chinese texts are those of a segmentation by a dictionary, jieba. */
function refuseChineseWords(
  row: TaskDocument,
  dataset: string,
  { score, isChinese }: LongBenchDataset,
): void {
  const isText = score === "qa_f1" || score === "rouge_l";
  const language = row.has("language") ? row.text("language") : undefined;
  if (!isText || (isChinese !== true && language !== "zh")) return;
  throw new WorkbenchError(
    "unsupported",
    `${row.where}: ${score} of the Chinese dataset ${dataset} needs the words of jieba's dictionary, which Lathe does not have. Leave these rows out; of the Chinese datasets, lsht and passage_retrieval_zh are supported.`,
  );
}
