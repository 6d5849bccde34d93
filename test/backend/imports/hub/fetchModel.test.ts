import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createBytesTokenizer } from "../../../../src/backend/data/tokenizers/bytes";
import { readHubSettings } from "../../../../src/backend/data/hubSettings";
import { exportModel } from "../../../../src/backend/exports/exportModel";
import { fetchModel, type FetchContext } from "../../../../src/backend/imports/hub/fetchModel";
import { parseHubId } from "../../../../src/backend/imports/hub/hubId";
import { importModel } from "../../../../src/backend/imports/importModel";
import { toWorkbenchError, type WorkbenchError } from "../../../../src/protocol/errors";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../../support/subject";
import { commit, type HubContent, type HubServer, sha256, startHub } from "./hubServer";

const repository = "some-one/Tiny.model";
const shape = createTinyShape("gpt2", { vocab_size: 257 });
const tensors = drawModelTensors(shape, 3);

/** The files of an exported model, as in a repository. */
async function exported(shard = "5GB"): Promise<Record<string, Uint8Array>> {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "m");
  await exportModel(
    { shape, tensors, tokenizer: createBytesTokenizer() },
    { format: "safetensors", max_shard_size: shard },
    target,
  );
  const names = readdirSync(target);
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(target, name))]));
}

interface Fetching {
  readonly hub: HubServer;
  readonly cache: string;
  readonly said: string[];
  readonly fetch: (revision?: string, changes?: Partial<FetchContext>, settings?: object) => Promise<string>;
  readonly failure: (...given: Parameters<Fetching["fetch"]>) => Promise<WorkbenchError>;
}

async function withHub(content: Partial<HubContent>, use: (fetching: Fetching) => Promise<void>) {
  using folder = createTemporaryFolder();
  await using hub = await startHub({ repository, files: await exported(), ...content });
  const cache = join(folder.path, "hub");
  const said: string[] = [];
  const fetch: Fetching["fetch"] = (revision = "main", changes = {}, settings = {}) =>
    fetchModel(
      { repository, revision },
      {
        wanted: "everything",
        network: true,
        signal: undefined,
        progress: (done, total, what) => said.push(`${what} ${done}/${total}`),
        settings: { endpoint: hub.endpoint, cache, offline: false, token: undefined, ...settings },
        ...changes,
      },
    );
  const failure: Fetching["failure"] = (...given) =>
    fetch(...given).then(
      () => Promise.reject(new Error("Nothing was thrown.")),
      (thrown: unknown) => toWorkbenchError(thrown),
    );
  await use({ hub, cache, said, fetch, failure });
}

const data = (from: typeof tensors) => new Map([...from].map(([name, each]) => [name, each.data]));

describe("a model of the hub", () => {
  it("is downloaded into the layout of huggingface_hub, checked, and read", () =>
    withHub({}, async ({ hub, cache, said, fetch }) => {
      const folder = await fetch();
      const home = join(cache, "models--some-one--Tiny.model");
      expect(folder).toBe(join(home, "snapshots", commit));
      expect(readFileSync(join(home, "refs", "main"), "utf8")).toBe(commit);
      const weights = readFileSync(join(folder, "model.safetensors"));
      expect(lstatSync(join(folder, "model.safetensors")).isSymbolicLink()).toBe(
        process.platform !== "win32",
      );
      expect(readdirSync(join(home, "blobs"))).toContain(sha256(weights));
      expect(readdirSync(join(home, "blobs")).filter((name) => !/^[0-9a-f]+$/.test(name))).toEqual([]);
      const model = await importModel(folder);
      expect(data(model.tensors)).toEqual(data(tensors));
      expect(model.tokenizerFolder).toBe(folder);
      expect(said.at(-1)).toMatch(new RegExp(`${weights.length}/${weights.length}`));
      expect(hub.asked.some((line) => /onnx|escape/.test(line))).toBe(false);

      // A branch is resolved again but nothing is fetched twice; a commit is not even resolved.
      hub.asked.length = 0;
      expect(await fetch()).toBe(folder);
      expect(hub.asked).toEqual([`GET /api/models/${repository}/revision/main`]);
      hub.asked.length = 0;
      expect(await fetch(commit)).toBe(folder);
      expect(await fetch("main", {}, { offline: true })).toBe(folder);
      expect(await fetch("main", { network: false })).toBe(folder);
      expect(hub.asked).toEqual([]);
    }));

  it("is downloaded with its shards, or without weights as an outline", async () => {
    const files = await exported("3KB");
    const shards = Object.keys(files).filter((name) => name.endsWith(".safetensors"));
    expect(shards.length).toBeGreaterThan(3);
    await withHub({ files }, async ({ cache, fetch, failure }) => {
      const outline = await fetch("v1/x", { wanted: "outline" });
      expect(readdirSync(outline)).toEqual(["config.json", "tokenizer.json", "tokenizer_config.json"].sort());
      // The cached files are not enough for a model without the network.
      expect((await failure("v1/x", {}, { offline: true })).message).toMatch(
        /missing or incomplete in the cache/,
      );
      const folder = await fetch("v1/x");
      expect(readFileSync(join(cache, "models--some-one--Tiny.model", "refs", "v1", "x"), "utf8")).toBe(
        commit,
      );
      expect(data((await importModel(folder)).tensors)).toEqual(data(tensors));
      rmSync(join(folder, shards[1]!));
      expect((await failure("v1/x", { network: false })).message).toMatch(/A run downloads it/);
      expect(data((await importModel(await fetch("v1/x"))).tensors)).toEqual(data(tensors));
    });
  });

  it("resumes an interrupted download, in this attempt and the next", () =>
    withHub({}, async ({ hub, fetch, failure, cache }) => {
      hub.cut = { bytes: 1000, times: 100 };
      const message = (await failure()).message;
      expect(message).toMatch(/model.safetensors of some-one\/Tiny.model/);
      expect(message).toMatch(/the next attempt continues from there/);
      expect(existsSync(join(cache, "models--some-one--Tiny.model", "refs", "main"))).toBe(false);
      const tries = hub.asked.filter((line) => line === "GET store").length;
      expect(tries).toBeGreaterThan(1);
      hub.cut = { bytes: 1000, times: 1 };
      expect(data((await importModel(await fetch())).tensors)).toEqual(data(tensors));
    }));

  it("sends the token only to the hub, and follows a renamed repository", () =>
    withHub({ token: "hf_secret" }, async ({ hub, fetch, failure, cache }) => {
      const refused = await failure();
      expect(refused.code).toBe("not-found");
      expect(refused.message).toMatch(/no such model.*set HF_TOKEN/);
      expect((await failure("main", {}, { token: "hf_wrong" })).message).toMatch(
        /has expired or has no read access/,
      );
      expect(existsSync(cache)).toBe(false);
      await fetch("main", {}, { token: "hf_secret" });
      expect(hub.storeAuthorization).toEqual([undefined]);
      const moved = await fetchModel(
        { repository: "old/name", revision: "main" },
        {
          wanted: "outline",
          network: true,
          signal: undefined,
          progress: () => undefined,
          settings: { endpoint: hub.endpoint, cache, offline: false, token: "hf_secret" },
        },
      );
      expect(moved).toBe(join(cache, "models--old--name", "snapshots", commit));
    }));

  it("is loaded from the cache if the hub does not respond", () =>
    withHub({}, async ({ hub, fetch, said }) => {
      const folder = await fetch();
      hub.failing = 503;
      expect(await fetch()).toBe(folder);
      expect(said.at(-1)).toMatch(/responded with status 503.*Using the cached copy/);
      expect(await fetch("main", {}, { endpoint: "http://127.0.0.1:2" })).toBe(folder);
    }));
});

describe("one clear error, and nothing is written", () => {
  const cases: readonly (readonly [
    string,
    Partial<HubContent>,
    Parameters<Fetching["fetch"]>,
    code: string,
    RegExp,
  ])[] = [
    ["no such model", { repository: "other/one" }, [], "not-found", /no such model.*Check the spelling/],
    ["no such revision", {}, ["v9"], "not-found", /has no revision v9/],
    ["a gated model", { gated: true }, [], "network", /Request access at http.*set HF_TOKEN/],
    [
      "no network",
      {},
      ["main", {}, { endpoint: "http://127.0.0.1:2" }],
      "network",
      /cannot be reached \(ECONNREFUSED\).*put config.json, model.safetensors .*into a folder and use its path, or copy .*models--some-one--Tiny.model/,
    ],
    [
      "offline by choice",
      {},
      ["main", {}, { offline: true }],
      "not-found",
      /HF_HUB_OFFLINE prevents downloads.*put config.json/,
    ],
    [
      "no configuration",
      { files: { "model.safetensors": Buffer.from("x") } },
      [],
      "unsupported",
      /has no config.json/,
    ],
    [
      "pickles alone",
      { files: { "config.json": Buffer.from("{}"), "pytorch_model.bin": Buffer.from("x") } },
      [],
      "unsupported",
      /only as pytorch_model.bin, but only safetensors is supported/,
    ],
    [
      "an adapter",
      { files: { "adapter_config.json": Buffer.from("{}") } },
      [],
      "unsupported",
      /is an adapter for another model\. Download it/,
    ],
  ];
  it.each(cases)("for %s", (_, content, given, code, message) =>
    withHub(content, async ({ failure, cache }) => {
      const { message: said, code: found } = await failure(...given);
      expect(said).toMatch(message);
      expect(found).toBe(code);
      expect(existsSync(cache)).toBe(false);
    }),
  );

  it("for another family, before any weights are downloaded", () =>
    withHub(
      {
        files: {
          "config.json": Buffer.from('{"model_type": "mamba"}'),
          "model.safetensors": Buffer.from("x"),
        },
      },
      async ({ hub, failure }) => {
        expect((await failure()).message).toMatch(/Unknown model_type "mamba"/);
        expect(hub.asked).not.toContain("GET store");
      },
    ));
});

describe("a name", () => {
  it("is an id unless a file of that name exists", () => {
    using folder = createTemporaryFolder();
    expect(parseHubId("gpt/two", folder.path)).toEqual({ repository: "gpt/two", revision: "main" });
    expect(parseHubId("Org-1/m.2_x@refs/pr/3", folder.path)).toEqual({
      repository: "Org-1/m.2_x",
      revision: "refs/pr/3",
    });
    for (const name of [
      "gpt2",
      "./gpt/two",
      "/gpt/two",
      "a/b/c",
      "../a/b",
      "a/..",
      "a--b/c",
      "a/b@../c",
      "a\\b",
    ])
      expect(parseHubId(name, folder.path), name).toBeUndefined();
    writeFileSync(join(folder.path, "gpt"), "");
    expect(parseHubId("gpt/two", folder.path)).toBeDefined();
    expect(parseHubId("gpt", folder.path)).toBeUndefined();
  });

  it("is looked up in the folders that the variables of huggingface_hub specify", () => {
    expect(readHubSettings({ HF_HOME: "/h" })).toEqual({
      endpoint: "https://huggingface.co",
      cache: join("/h", "hub"),
      offline: false,
      token: undefined,
    });
    const all = { HF_HUB_CACHE: "/c", HF_ENDPOINT: "http://x/", HF_HUB_OFFLINE: "YES", HF_TOKEN: " t " };
    expect(readHubSettings({ ...all, HF_HOME: "/h" })).toEqual({
      endpoint: "http://x",
      cache: "/c",
      offline: true,
      token: "t",
    });
    expect(readHubSettings({ XDG_CACHE_HOME: "/x", HF_HUB_OFFLINE: "0", HF_TOKEN: "" }).cache).toBe(
      join("/x", "huggingface", "hub"),
    );
  });
});
