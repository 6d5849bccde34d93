/** Rows of every task from a server that speaks the hub's API and has the files under the names of the published data sets. */
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { readDocuments } from "../../../../src/backend/evaluation/harness/documentFiles";
import { getExampleSplit } from "../../../../src/backend/evaluation/harness/prompts";
import { getEvaluatedSplit } from "../../../../src/backend/evaluation/harness/task";
import { tasks } from "../../../../src/backend/evaluation/tasks/catalog";
import { createTemporaryFolder } from "../../../support/subject";

interface Repository {
  readonly main: readonly string[];
  /** Files that the hub converted. */
  readonly converted?: readonly string[];
}

const sharded = (folder: string, ...splits: readonly string[]) =>
  splits.map((split) => `${folder}/${split}-00000-of-00001.parquet`);
const all = ["train", "validation", "test"] as const;

const published: Readonly<Record<string, Repository>> = {
  "allenai/ai2_arc": { main: [...sharded("ARC-Challenge", ...all), ...sharded("ARC-Easy", ...all)] },
  "allenai/openbookqa": { main: [...sharded("additional", ...all), ...sharded("main", ...all)] },
  // Its main branch has a script.
  "allenai/winogrande": {
    main: ["winogrande.py"],
    converted: ["winogrande_l", "winogrande_xl"].flatMap((set) =>
      all.map((split) => `${set}/${split}/0000.parquet`),
    ),
  },
  "aps/super_glue": {
    main: ["super_glue.py"],
    converted: ["boolq", "cb"].flatMap((set) => all.map((split) => `${set}/super_glue-${split}.parquet`)),
  },
  "baber/piqa": { main: all.map((split) => `piqa_${split}.parquet`) },
  "cais/mmlu": {
    main: [
      ...sharded("all", "test", "validation", "dev", "auxiliary_train"),
      ...tasks["mmlu"]!.parts.flatMap(({ data }) => sharded(data.config!, "test", "validation", "dev")),
    ],
  },
  "cimec/lambada": { main: sharded("plain_text", ...all) },
  "EleutherAI/lambada_openai": {
    main: ["data/lambada_test.jsonl", "de/test/0000.parquet", "default/test/0000.parquet"],
  },
  "EleutherAI/wikitext_document_level": {
    main: ["wikitext-103-raw-v1", "wikitext-2-raw-v1"].flatMap((set) =>
      all.map((split) => `${set}/${set}-${split}.parquet`),
    ),
  },
  "openai/gsm8k": { main: [...sharded("main", "train", "test"), ...sharded("socratic", "train", "test")] },
  "Rowan/hellaswag": {
    main: [
      "data/train-00000-of-00002.parquet",
      "data/train-00001-of-00002.parquet",
      ...sharded("data", "validation", "test"),
    ],
  },
};

const commit = "0123456789abcdef0123456789abcdef01234567";
/** Two rows that name the file. */
function createFile(name: string, rows = 2): Uint8Array {
  const data = Array.from({ length: rows }, () => name);
  return new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "file", data, type: "STRING" }] }));
}

/** Every second file is large, which the hub names by its SHA-256; git names the others. */
function listFile(rfilename: string, i: number) {
  const bytes = createFile(rfilename, rfilename.includes("empty") ? 0 : 2);
  const git = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
  const lfs = { sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length };
  return { rfilename, size: bytes.length, blobId: git, ...(i % 2 === 0 ? { lfs } : {}) };
}

let server: Server;
let repositories: Readonly<Record<string, Repository>>;
const folder = createTemporaryFolder();

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, "http://hub").pathname);
    const [, id, revision] = /^\/api\/datasets\/([\w-]+\/[\w-]+)\/revision\/(.+)$/.exec(path) ?? [];
    if (id !== undefined) {
      const files = repositories[id]?.[revision === "main" ? "main" : "converted"];
      response.writeHead(files === undefined ? 404 : 200);
      response.end(JSON.stringify({ sha: commit, siblings: files?.map(listFile) }));
      return;
    }
    const name = path.split(`/resolve/${commit}/`)[1]!;
    response.end(createFile(name, name.includes("empty") ? 0 : 2));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  vi.stubEnv("HF_ENDPOINT", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv("HF_HOME", `${folder.path}/home`);
  vi.stubEnv("LATHE_DATA", undefined);
});
beforeEach(() => (repositories = published));
afterAll(async () => {
  vi.unstubAllEnvs();
  folder[Symbol.dispose]();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

let caches = 0;
async function readFileNames(data: Parameters<typeof readDocuments>[0], split: string): Promise<string[]> {
  const places = {
    baseFolder: folder.path,
    cacheFolder: `${folder.path}/cache-${++caches}`,
    dataFolder: undefined,
    signal: undefined,
    progress: () => undefined,
  };
  return (await readDocuments(data, split, places)).map((document) => document.text("file"));
}

const twice = (...names: readonly string[]) => names.flatMap((name) => [name, name]);
const expected: Readonly<
  Record<string, readonly [evaluated: readonly string[], examples: readonly string[]]>
> = {
  arc_challenge: [sharded("ARC-Challenge", "test"), sharded("ARC-Challenge", "train")],
  arc_easy: [sharded("ARC-Easy", "test"), sharded("ARC-Easy", "train")],
  boolq: [["boolq/super_glue-validation.parquet"], ["boolq/super_glue-train.parquet"]],
  gsm8k: [sharded("main", "test"), sharded("main", "train")],
  hellaswag: [
    sharded("data", "validation"),
    ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
  ],
  lambada_openai: [["default/test/0000.parquet"], ["default/test/0000.parquet"]],
  lambada_standard: [sharded("plain_text", "test"), sharded("plain_text", "validation")],
  mmlu: [sharded("abstract_algebra", "test"), sharded("abstract_algebra", "dev")],
  openbookqa: [sharded("main", "test"), sharded("main", "train")],
  piqa: [["piqa_validation.parquet"], ["piqa_train.parquet"]],
  wikitext: [
    ["wikitext-2-raw-v1/wikitext-2-raw-v1-test.parquet"],
    ["wikitext-2-raw-v1/wikitext-2-raw-v1-train.parquet"],
  ],
  winogrande: [["winogrande_xl/validation/0000.parquet"], ["winogrande_xl/train/0000.parquet"]],
};

it.each(Object.keys(tasks))("reads the rows of %s and those of its examples", async (name) => {
  const task = tasks[name]!;
  const { data } = task.parts[0]!;
  const [evaluated, examples] = expected[name]!;
  expect(await readFileNames(data, getEvaluatedSplit(task))).toEqual(twice(...evaluated));
  expect(await readFileNames(data, getExampleSplit(task))).toEqual(twice(...examples));
});

it("finds the files of every subject of MMLU", () => {
  const folders = new Set(published["cais/mmlu"]!.main.map((name) => name.split("/")[0]));
  expect(tasks["mmlu"]!.parts.filter(({ data }) => !folders.has(data.config))).toEqual([]);
  expect(tasks["mmlu"]!.parts).toHaveLength(57);
});

const { data: piqa } = tasks["piqa"]!.parts[0]!;
const { data: hellaswag } = tasks["hellaswag"]!.parts[0]!;

it.each([
  [
    "a missing split",
    piqa,
    { main: ["piqa_train.parquet", "piqa_test.parquet"] },
    /baber\/piqa has no Parquet file of the split validation on the hub/,
  ],
  [
    "files without any split",
    piqa,
    { main: ["0000.parquet"] },
    /baber\/piqa has no Parquet file of the split validation/,
  ],
  [
    "a part that the hub converted",
    piqa,
    { main: ["piqa.py"], converted: ["default/partial-validation/0000.parquet"] },
    /converted only a part of the split validation/,
  ],
  [
    "a missing file of several",
    hellaswag,
    { main: ["data/validation-00001-of-00002.parquet"] },
    /of 2 files 1 are missing on the hub/,
  ],
  [
    "a file without rows",
    piqa,
    { main: ["empty/validation.parquet"] },
    /split validation of piqa has no rows/,
  ],
])("refuses %s", async (_, data, repository, message) => {
  repositories = { [data.hub]: repository };
  await expect(readFileNames(data, "validation")).rejects.toThrow(message);
});

it("refuses a row without the column of the task, by its file", async () => {
  const places = {
    baseFolder: folder.path,
    cacheFolder: `${folder.path}/cache-columns`,
    dataFolder: undefined,
    signal: undefined,
    progress: () => undefined,
  };
  const [document] = await readDocuments(piqa, "validation", places);
  const task = tasks["piqa"]!;
  expect(() => task.read(document!)).toThrow(
    /piqa_validation\.parquet, row 1 cannot be evaluated: it has no field goal, only file/,
  );
});
