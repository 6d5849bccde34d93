/** A dataset of the hub: used if it is already on disk, otherwise fetched from a server that mimics the hub. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openData } from "../../../src/backend/data/dataSet";
import { dataSets } from "../../../src/backend/data/datasets/catalog";
import { locateHubFiles } from "../../../src/backend/data/hubDataSet";
import type { HubDataSet } from "../../../src/backend/data/namedDataSet";
import { recipes } from "../../../src/schema/recipe";
import { failureOf, optionsOf, temporaryFolder, writeFiles } from "./fixtures";

const entry = dataSets.lamini as HubDataSet;
const commit = "0123456789abcdef0123456789abcdef01234567";

function parquet(rows: readonly (readonly [string, string])[]): Uint8Array {
  const column = (name: string, at: 0 | 1) => ({ name, data: rows.map((row) => row[at]) });
  return new Uint8Array(
    parquetWriteBuffer({ columnData: [column("instruction", 0), column("response", 1)] }),
  );
}

const shards: Readonly<Record<string, Uint8Array>> = {
  "data/train-00000-of-00002-ab12.parquet": parquet([
    ["One?", "Yes."],
    ["Two?", "I cannot."],
  ]),
  "data/train-00001-of-00002-cd34.parquet": parquet([["Three?", "No."]]),
};
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

let server: Server;
let requests: string[];
let environment: Record<string, string>;
/** The hub's answer about a revision, or a status. */
let revisions: Record<string, unknown>;

beforeEach(async () => {
  requests = [];
  const listed = Object.entries(shards).map(([rfilename, bytes]) => {
    return { rfilename, size: bytes.length, lfs: { sha256: sha256(bytes), size: bytes.length } };
  });
  revisions = { main: { sha: commit, siblings: [{ rfilename: "README.md", size: 9 }, ...listed] } };
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, "http://hub");
    requests.push(`${pathname}${request.headers.authorization === "Bearer secret" ? " with token" : ""}`);
    const revision = /^\/api\/datasets\/MBZUAI\/LaMini-instruction\/revision\/(.+)$/.exec(pathname)?.[1];
    if (revision !== undefined) {
      const answer = revisions[decodeURIComponent(revision)];
      response.writeHead(answer === undefined ? 404 : 200).end(JSON.stringify(answer));
      return;
    }
    const name = pathname.replace(`/datasets/MBZUAI/LaMini-instruction/resolve/${commit}/`, "");
    const bytes = shards[name];
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  environment = { HF_ENDPOINT: `http://127.0.0.1:${port}`, HF_HOME: temporaryFolder() };
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

interface Where {
  readonly cacheFolder?: string;
  readonly dataFolder?: string;
}

const locate = ({ cacheFolder = temporaryFolder(), dataFolder }: Where = {}) =>
  locateHubFiles(
    "lamini",
    entry,
    { cacheFolder, dataFolder, signal: undefined, progress: () => undefined },
    environment,
  );

test("its files are fetched once, by the commit and checksums that the hub reports", async () => {
  const cacheFolder = temporaryFolder();
  const files = await locate({ cacheFolder });
  const below = (file: string) => path.join(cacheFolder, "datasets", "lamini", ...file.split("/"));
  expect(files).toEqual(Object.keys(shards).map(below));
  expect(requests).toHaveLength(3);
  expect(requests[1]).toBe(
    `/datasets/MBZUAI/LaMini-instruction/resolve/${commit}/data/train-00000-of-00002-ab12.parquet`,
  );
  expect(await locate({ cacheFolder })).toEqual(files);
  expect(requests).toHaveLength(3);
  writeFileSync(files[0]!, "damaged");
  environment.HF_TOKEN = "secret";
  await locate({ cacheFolder });
  expect(requests.slice(3)).toEqual([`${requests[1]!} with token`]);
});

test("a complete snapshot in Hugging Face's cache is used, an incomplete one is not", async () => {
  const folder = path.join(environment.HF_HOME!, "hub", "datasets--MBZUAI--LaMini-instruction", "snapshots");
  const [first, second] = Object.entries(shards);
  await writeFiles(path.join(folder, commit), { [first![0]]: first![1] });
  const fetched = await locate();
  expect(requests).toHaveLength(3);
  expect(fetched[0]).not.toContain(folder);
  await writeFiles(path.join(folder, commit), { [second![0]]: second![1] });
  expect(await locate()).toEqual(Object.keys(shards).map((name) => path.join(folder, commit, name)));
  expect(requests).toHaveLength(3);
});

test("LATHE_DATA comes first, and must contain all files", async () => {
  const dataFolder = temporaryFolder();
  const [first, second] = Object.entries(shards);
  await writeFiles(path.join(dataFolder, "lamini"), { [path.basename(first![0])]: first![1] });
  const error = await failureOf(locate({ dataFolder }));
  expect(error.code).toBe("invalid-input");
  expect(error.message).toContain("of 2 files 1 are missing");
  await writeFiles(path.join(dataFolder, "lamini"), { [path.basename(second![0])]: second![1] });
  expect((await locate({ dataFolder })).map((file) => path.dirname(file))).toEqual(
    Array.from({ length: 2 }, () => path.join(dataFolder, "lamini")),
  );
  expect(requests).toEqual([]);
});

test("if the main branch has no Parquet files, those that the hub converted are used", async () => {
  const { main } = revisions;
  revisions = { main: { sha: commit, siblings: [{ rfilename: "data.json" }] }, "refs/convert/parquet": main };
  expect(await locate()).toHaveLength(2);
});

test.each([
  ["no network", () => (environment.HF_ENDPOINT = "http://127.0.0.1:1"), "127.0.0.1:1 cannot be reached"],
  ["offline mode", () => (environment.HF_HUB_OFFLINE = "1"), "HF_HUB_OFFLINE is set"],
  ["an unknown id", () => (revisions = {}), "was answered with 404"],
  [
    "no files",
    () => (revisions = { main: { sha: commit, siblings: [] } }),
    "has no Parquet file of the split",
  ],
  ["no list", () => (revisions = { main: ["x"] }), "something else than a list of files"],
  [
    "a file without a checksum",
    () => (revisions = { main: { sha: commit, siblings: [{ rfilename: "data/train.parquet", size: 9 }] } }),
    "file names or checksums that are none",
  ],
  [
    "a file outside the folder",
    () => {
      const lfs = { sha256: "0".repeat(64), size: 1 };
      revisions = { main: { sha: commit, siblings: [{ rfilename: "../train.parquet", lfs }] } };
    },
    "file names or checksums that are none",
  ],
])("%s is one error that names the files and where to place them", async (_, spoil, reason) => {
  spoil();
  const dataFolder = temporaryFolder();
  const error = await failureOf(locate({ dataFolder }));
  expect(error.code).toBe("network");
  expect(error.message).toContain(reason);
  expect(error.message).toContain("train-*.parquet of ");
  expect(error.message).toContain(path.join(dataFolder, "lamini"));
});

test("a split whose name contains another is read from its own files", async () => {
  const mnli = dataSets["mnli"] as HubDataSet;
  const names = ["train", "validation_matched", "validation_mismatched"].map(
    (split) => `mnli/${split}-00000-of-00001.parquet`,
  );
  const dataFolder = temporaryFolder();
  const [bytes] = Object.values(shards);
  const folder = path.join(dataFolder, mnli.folder);
  await writeFiles(folder, Object.fromEntries(names.map((name) => [name, bytes!])));
  const context = {
    cacheFolder: temporaryFolder(),
    dataFolder,
    signal: undefined,
    progress: () => undefined,
  };
  const files = await locateHubFiles("mnli", mnli, context, environment, "validation_matched");
  expect(files).toEqual([path.join(folder, "mnli", "validation_matched-00000-of-00001.parquet")]);
});

test("its rows are read with the recipe, or without one by its known columns", async () => {
  const dataFolder = temporaryFolder();
  await writeFiles(path.join(dataFolder, "lamini"), shards);
  const open = (options: Parameters<typeof optionsOf>[0]) =>
    openData(optionsOf({ dataset: "lamini", sequence_len: 16, val_fraction: 0, ...options }), {
      baseFolder: "/",
      cacheFolder: temporaryFolder(),
      dataFolder,
    });
  using plain = await open({});
  expect(plain.train.documents).toBe(3);
  expect(plain.tokenizer.decode(plain.train.read(0, 26))).toBe("### Instruction:\nOne?\n\n###");
  using recipe = await open({ ...recipes.fixed.data, sequence_len: 16, val_set_size: undefined });
  expect(recipe.train.documents).toBe(2);
  expect(recipe.summary.rows?.filters[3]).toEqual({ text: "I cannot", left: 2 });
});

test("for an id with several configurations, the files of the selected folder are used, split by split", async () => {
  const words = (rows: readonly (readonly [string, string, bigint])[]) =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: "sentence1", data: rows.map(([a]) => a) },
          { name: "sentence2", data: rows.map(([, b]) => b) },
          { name: "label", data: rows.map(([, , label]) => label), type: "INT64" },
        ],
      }),
    );
  const dataFolder = temporaryFolder();
  await writeFiles(path.join(dataFolder, "glue", "RTE"), {
    "train-00000-of-00001.parquet": words([
      ["It rains.", "It is wet.", 0n],
      ["It rains.", "It is dry.", 1n],
    ]),
    "validation-00000-of-00001.parquet": words([["It snows.", "It is cold.", 0n]]),
  });
  const options = optionsOf({ dataset: "rte", sequence_len: 32 });
  using data = await openData(options, {
    baseFolder: dataFolder,
    cacheFolder: temporaryFolder(),
    dataFolder,
  });
  expect(data.labels).toMatchObject({ values: ["0", "1"] });
  expect(data.summary.classification).toMatchObject({
    train: { rows: 2 },
    validation: { rows: 1, classes: [1, 0] },
  });

  const rte = dataSets["rte"] as HubDataSet;
  const other = words([["a", "b", 0n]]);
  const listed = (rfilename: string) => ({ rfilename, lfs: { sha256: sha256(other), size: other.length } });
  const asked: string[] = [];
  const hub = createServer((request, response) => {
    const { pathname } = new URL(request.url!, "http://hub");
    asked.push(pathname);
    if (pathname.startsWith("/api/"))
      response.end(
        JSON.stringify({
          sha: commit,
          siblings: ["mrpc/train-0.parquet", "rte/train-0.parquet", "rte/validation-0.parquet"].map(listed),
        }),
      );
    else response.end(other);
  });
  await new Promise<void>((listening) => hub.listen(0, "127.0.0.1", listening));
  try {
    const { port } = hub.address() as AddressInfo;
    const settings = { HF_ENDPOINT: `http://127.0.0.1:${port}`, HF_HOME: temporaryFolder() };
    const places = {
      cacheFolder: temporaryFolder(),
      dataFolder: undefined,
      signal: undefined,
      progress: () => undefined,
    };
    const [file] = await locateHubFiles("rte", rte, places, settings, "validation");
    expect(file).toMatch(/glue.RTE.rte.validation-0\.parquet$/);
    expect(asked.filter((each) => each.includes("/resolve/"))).toEqual([
      `/datasets/nyu-mll/glue/resolve/${commit}/rte/validation-0.parquet`,
    ]);
  } finally {
    hub.closeAllConnections();
    await new Promise((closed) => hub.close(closed));
  }
});
