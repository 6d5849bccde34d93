/** Pushes to a local server that speaks the API of the hub, through the hub's own client. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listPushedFiles, pushFolder, verifyAccess } from "../../../../src/backend/exports/hub/pushFolder";
import { type PushRequest, requirePushSettings } from "../../../../src/backend/exports/hub/pushRequest";
import { toWorkbenchError, type WorkbenchError } from "../../../../src/protocol/errors";
import { createUniform } from "../../../support/sampleValues";
import { createTemporaryFolder } from "../../../support/subject";
import { type PushAccount, type PushServer, startPushServer } from "./pushServer";

const token = "hf_test";
const request: PushRequest = { repository: "some-one/tiny.model", isPrivate: true };

interface Pushing {
  readonly hub: PushServer;
  readonly folder: string;
  readonly progress: number[];
  readonly push: (changes?: Partial<PushRequest>, signal?: AbortSignal) => ReturnType<typeof pushFolder>;
  readonly failure: (changes?: Partial<PushRequest>, signal?: AbortSignal) => Promise<WorkbenchError>;
}

/** A folder with a card, a configuration and two files of weights, one empty. */
async function withHub(account: Partial<PushAccount>, use: (pushing: Pushing) => Promise<void>) {
  using temporary = createTemporaryFolder();
  const folder = join(temporary.path, "model");
  mkdirSync(folder);
  const random = createUniform(1);
  writeFileSync(join(folder, "README.md"), "---\ntags: []\n---\n\n# größer\n");
  writeFileSync(join(folder, "config.json"), "{}\n");
  writeFileSync(
    join(folder, "model.safetensors"),
    Uint8Array.from({ length: 300_000 }, () => random() * 256),
  );
  writeFileSync(join(folder, "empty.safetensors"), "");
  await using hub = await startPushServer({ token, name: "some-one", organizations: ["lab"], ...account });
  const progress: number[] = [];
  const push: Pushing["push"] = (changes = {}, signal) =>
    pushFolder(
      folder,
      { ...request, ...changes },
      { endpoint: hub.endpoint, token },
      { signal, progress: (done, total) => progress.push(done / total) },
    );
  const failure: Pushing["failure"] = (...given) =>
    push(...given).then(
      () => Promise.reject(new Error("Nothing was thrown.")),
      (thrown: unknown) => toWorkbenchError(thrown),
    );
  await use({ hub, folder, progress, push, failure });
}

function expectEqualFiles({ repositories }: PushServer, folder: string, repository = request.repository) {
  const arrived = repositories.get(repository)!.files;
  expect([...arrived.keys()].sort()).toEqual(readdirSync(folder).sort());
  for (const [name, bytes] of arrived)
    expect(Buffer.compare(bytes, readFileSync(join(folder, name)))).toBe(0);
}

describe("a push", () => {
  it("creates a private repository with every byte of the folder, and the store gets no token", () =>
    withHub({}, async ({ hub, folder, progress, push }) => {
      const pushed = await push();
      expectEqualFiles(hub, folder);
      const { isPrivate, head } = hub.repositories.get(request.repository)!;
      expect(isPrivate).toBe(true);
      expect(pushed).toEqual({
        repository: request.repository,
        url: `${hub.endpoint}/${request.repository}`,
        commit: head,
        created: true,
        private: true,
        replaced: [],
      });
      expect(hub.asked.filter((line) => line.startsWith("store PUT"))).toHaveLength(2);
      expect(new Set(hub.storeAuthorizations)).toEqual(new Set([undefined]));
      expect(progress.at(-1)).toBe(1);
      expect(Math.max(...progress)).toBe(1);
    }));

  it("sends large files in parts where the hub requests it", () =>
    withHub({ partBytes: 70_000 }, async ({ hub, folder, push }) => {
      writeFileSync(join(folder, "empty.safetensors"), "not empty");
      await push();
      expectEqualFiles(hub, folder);
      expect(hub.asked.filter((line) => /^store PUT .*\/\d$/.test(line))).toHaveLength(6);
    }));

  it("changes an existing repository by one commit, and sends only what the hub does not have", () =>
    withHub({}, async ({ hub, folder, push }) => {
      await push();
      const before = hub.repositories.get(request.repository)!.head;
      hub.repositories.get(request.repository)!.files.set("other.txt", new Uint8Array(3));
      hub.asked.length = 0;
      writeFileSync(join(folder, "config.json"), '{"a": 1}\n');
      const pushed = await push();
      expect(pushed.created).toBe(false);
      expect(pushed.replaced).toEqual(["README.md", "config.json", "empty.safetensors", "model.safetensors"]);
      expect(hub.asked.filter((line) => line.startsWith("store"))).toEqual([]);
      expect(hub.asked.some((line) => line.includes("create"))).toBe(false);
      const { files, head } = hub.repositories.get(request.repository)!;
      expect(Buffer.from(files.get("config.json")!).toString()).toBe('{"a": 1}\n');
      expect(files.has("other.txt")).toBe(true);
      expect(head).not.toBe(before);
    }));

  it("does not publish in a public repository unless that is requested", () =>
    withHub({}, async ({ hub, folder, push, failure }) => {
      hub.repositories.set(request.repository, { isPrivate: false, head: "0", files: new Map() });
      const { code, message } = await failure();
      expect(code).toBe("invalid-input");
      expect(message).toMatch(/exists and is public. Set private: false/);
      expect(hub.asked.some((line) => /preupload|store|commit/.test(line))).toBe(false);
      expect((await push({ isPrivate: false })).private).toBe(false);
      expectEqualFiles(hub, folder);
      await push({ isPrivate: false, repository: "lab/open" });
      expect(hub.repositories.get("lab/open")!.isPrivate).toBe(false);
    }));

  it("repeats an upload whose connection breaks", () =>
    withHub({}, async ({ hub, folder, progress, push }) => {
      hub.failure = { request: /store PUT/, answer: "cut", times: 2 };
      await push();
      expectEqualFiles(hub, folder);
      expect(hub.asked.filter((line) => line.startsWith("store PUT")).length).toBeGreaterThan(2);
      expect(Math.max(...progress)).toBe(1);
    }));

  it("commits nothing after an interrupted upload, and the next one completes it", () =>
    withHub({}, async ({ hub, folder, push, failure }) => {
      hub.failure = { request: /store PUT/, answer: "cut", times: 100 };
      const { code, message } = await failure();
      expect(code).toBe("network");
      expect(message).toMatch(/The request to http:\/\/localhost:\d+ failed: the connection failed/);
      expect([...hub.repositories.get(request.repository)!.files]).toEqual([]);
      hub.failure = undefined;
      expect((await push()).created).toBe(false);
      expectEqualFiles(hub, folder);
    }));

  it("stops without a commit", () =>
    withHub({}, async ({ hub, failure }) => {
      const controller = new AbortController();
      hub.failure = { request: /store PUT/, answer: 503, times: 1 };
      const stopped = failure({}, controller.signal);
      const until = async () => {
        while (!hub.asked.some((line) => line.startsWith("store"))) await new Promise(setImmediate);
      };
      await until();
      controller.abort();
      expect((await stopped).code).toBe("cancelled");
      expect([...hub.repositories.get(request.repository)!.files]).toEqual([]);
      expect((await failure({}, controller.signal)).code).toBe("cancelled");
    }));

  it.each([
    [/preupload/, 401, "invalid-input", /does not accept the token .*expired or was deleted/],
    [/create/, 403, "invalid-input", /does not allow the token .*to write to some-one\/tiny.model.*refused/],
    [/preupload/, 404, "invalid-input", /has no some-one\/tiny.model that the token/],
    [/commit/, 409, "busy", /changed by someone else during the push, so nothing was committed. Push again/],
    [/commit/, 500, "network", /failed with status 500. It answered: refused \[31m for the test/],
    [/batch/, 422, "network", /failed with status 422/],
    [/store PUT/, 403, "invalid-input", /does not allow/],
    [/create/, 409, "invalid-input", /exists, but the token .* cannot see it/],
  ])("ends with one clear error where %s answers %i", (failing, status, code, message) =>
    withHub({}, async ({ hub, failure }) => {
      hub.failure = { request: failing, answer: status, times: 100 };
      const error = await failure();
      expect(error.message).toMatch(message);
      expect(error.code).toBe(code);
      expect(error.message).not.toContain(token);
      expect([...(hub.repositories.get(request.repository)?.files ?? [])]).toEqual([]);
    }),
  );

  it("takes part in a repository that another push has just created", () =>
    withHub({}, async ({ hub, folder, push }) => {
      hub.failure = { request: /revision/, answer: 404, times: 1 };
      hub.repositories.set(request.repository, { isPrivate: true, head: "0", files: new Map() });
      expect((await push()).created).toBe(false);
      expectEqualFiles(hub, folder);
    }));

  it("does not replace a commit that was made in the meantime", () =>
    withHub({}, async ({ hub, push, failure }) => {
      await push();
      const repository = hub.repositories.get(request.repository)!;
      const { head } = repository;
      // The repository that is read first is the one from before the other commit.
      Object.defineProperty(repository, "head", {
        configurable: true,
        get: () => (hub.asked.some((line) => /preupload/.test(line)) ? "other" : head),
        set: () => undefined,
      });
      hub.asked.length = 0;
      expect((await failure()).message).toMatch(/changed by someone else during the push/);
    }));

  it("fails with the address where the hub cannot be reached", async () => {
    using temporary = createTemporaryFolder();
    writeFileSync(join(temporary.path, "README.md"), "");
    const settings = { endpoint: "http://127.0.0.1:9", token };
    const context = { signal: undefined, progress: () => undefined };
    const push = pushFolder(temporary.path, request, settings, context);
    await expect(push).rejects.toThrow(
      /The request to http:\/\/127.0.0.1:9 failed: the connection failed.*\./,
    );
    await expect(push).rejects.toMatchObject({ code: "network" });
  });

  it("sends plain files alone", () => {
    using temporary = createTemporaryFolder();
    writeFileSync(join(temporary.path, "b"), "12");
    writeFileSync(join(temporary.path, "a"), "1");
    expect(listPushedFiles(temporary.path)).toEqual([
      { name: "a", bytes: 1 },
      { name: "b", bytes: 2 },
    ]);
    mkdirSync(join(temporary.path, "c"));
    expect(() => listPushedFiles(temporary.path)).toThrow(/c is a folder, and only plain files are pushed/);
  });

  it.skipIf(process.platform === "win32")("follows no link", () => {
    using temporary = createTemporaryFolder();
    symlinkSync("/etc/hostname", join(temporary.path, "model.safetensors"));
    expect(() => listPushedFiles(temporary.path)).toThrow(/model.safetensors is a link/);
  });
});

describe("the token", () => {
  const offline = { endpoint: "https://huggingface.co", cache: "", offline: false, token: undefined };

  it.each([
    [{}, /there is no token of the hub in HF_TOKEN or in the token file. Create one with write access/],
    [{ token: "" }, /there is no token/],
    [{ token: "secret" }, /does not begin with hf_/],
    [{ token, offline: true }, /HF_HUB_OFFLINE is set/],
  ])("is required before anything is asked: %o", (changes, message) => {
    expect(() => requirePushSettings(request, { ...offline, ...changes })).toThrow(message);
  });

  it.each([
    [{}, "some-one/x", undefined],
    [{}, "Lab/x", undefined],
    [{}, "else/x", /belongs to some-one, who is not in an organization else. Push to some-one\/… or lab\/…/],
    [{ role: "read" }, "some-one/x", /may only read. Create one with write access/],
    [{ token: "hf_other" }, "some-one/x", /does not accept the token/],
  ] as const)("is checked with the hub: %o, %s", (account, repository, refusal) =>
    withHub(account, async ({ hub }) => {
      const verified = verifyAccess({ repository }, { endpoint: hub.endpoint, token }, undefined);
      if (refusal === undefined) await expect(verified).resolves.toBeUndefined();
      else await expect(verified).rejects.toThrow(refusal);
      expect(hub.asked).toEqual(["GET /api/whoami-v2"]);
      expect(hub.repositories.size).toBe(0);
    }),
  );
});
