import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { isWithin } from "../../src/extension/panels/isWithin";
import { createContentSecurityPolicy, createPageHtml } from "../../src/extension/panels/pageHtml";
import { connectPage } from "../../src/extension/panels/relay";
import { escapeNotification, escapeControls } from "../../src/extension/plainText";
import type { Backend, Events } from "../../src/protocol/backend";
import { Connection, type Empty } from "../../src/protocol/connection";
import type { WorkbenchError } from "../../src/protocol/errors";
import type { PageEvents, PageRequests } from "../../src/protocol/page";
import { createChannels } from "../support/channels";

function connected() {
  const asked: {
    readonly name: string;
    readonly params: unknown;
    readonly signal: AbortSignal | undefined;
  }[] = [];
  const listeners = new Map<string, (payload: never) => void>();
  let restarted: () => void = () => undefined;
  const backend = {
    request: (name: string, params: unknown, signal?: AbortSignal) => {
      asked.push({ name, params, signal });
      return name === "runs.log" ? new Promise(() => undefined) : Promise.resolve({ runs: [] });
    },
    on: (name: string, listener: (payload: never) => void) => {
      listeners.set(name, listener);
      return { dispose: () => void listeners.delete(name) };
    },
    onRestart: (listener: () => void) => {
      restarted = listener;
      return { dispose: () => (restarted = () => undefined) };
    },
  } as unknown as Backend & { onRestart(listener: () => void): { dispose(): void } };
  const [hostEnd, pageEnd] = createChannels();
  const faults: WorkbenchError[] = [];
  const page = connectPage({
    channel: hostEnd,
    backend,
    requests: ["runs.list", "runs.log", "metrics.watch"],
    events: ["runsChanged"],
    host: { "page.ready": () => ({ input: 1, state: 2, look: {} }) },
    onFault: (error) => faults.push(error),
  });
  const host = new Connection<PageRequests, PageEvents, Empty, Empty>(
    pageEnd,
    {},
    { onFault: (error) => faults.push(error) },
  );
  return { asked, listeners, page, host, faults, restart: () => restarted() };
}

test("allowed requests of a page reach the backend, and the host answers its own", async () => {
  const { host, asked } = connected();
  await expect(host.request("runs.list", {})).resolves.toEqual({ runs: [] });
  await expect(host.request("page.ready", {})).resolves.toEqual({ input: 1, state: 2, look: {} });
  expect(asked.map(({ name }) => name)).toEqual(["runs.list"]);
});

test("other requests are refused and never reach the backend", async () => {
  const { host, asked } = connected();
  for (const name of ["runs.start", "workspace.open", "page.command", "constructor", "__proto__"])
    await expect(host.request(name as "runs.list", {})).rejects.toMatchObject({ code: "unsupported" });
  expect(asked).toEqual([]);
});

test("a page that cancels a request cancels it in the backend, and so does a page that is closed", async () => {
  const { host, asked, page } = connected();
  const controller = new AbortController();
  const first = host.request("runs.log", { run: "r", bytes: 1 }, controller.signal);
  void host.request("runs.log", { run: "r", bytes: 1 }).catch(() => undefined);
  await expect.poll(() => asked.length).toBe(2);
  controller.abort();
  await expect(first).rejects.toMatchObject({ code: "cancelled" });
  await expect.poll(() => asked.map(({ signal }) => signal?.aborted)).toEqual([true, false]);
  page.dispose();
  expect(asked.map(({ signal }) => signal?.aborted)).toEqual([true, true]);
});

test("a page receives only its allowed events, and a restart of the service", async () => {
  const { host, listeners, page, restart } = connected();
  const heard: unknown[] = [];
  host.on("runsChanged", (change) => heard.push(change));
  host.on("backendRestarted", () => heard.push("restarted"));
  host.on("inputChanged", ({ input }) => heard.push(input));
  const change: Events["runsChanged"] = { changed: [], removed: ["/r"] };
  listeners.get("runsChanged")!(change as never);
  restart();
  page.emit("inputChanged", { input: 3 });
  await expect.poll(() => heard).toEqual([change, "restarted", 3]);
  expect([...listeners.keys()]).toEqual(["runsChanged"]);
  page.dispose();
  expect([...listeners.keys()]).toEqual([]);
});

test("a page runs its single module and loads nothing from elsewhere", () => {
  const sources = {
    title: '"><script>alert(1)</script>',
    script: "https://host/dist/pages/runs.js",
    origin: "https://host",
    nonce: "abc",
  };
  expect(createContentSecurityPolicy(sources)).toBe(
    "default-src 'none'; script-src 'nonce-abc'; style-src https://host 'unsafe-inline'; img-src https://host data:; font-src https://host",
  );
  const html = createPageHtml(sources);
  expect(html.match(/<script/g)).toEqual(["<script"]);
  expect(html).toContain('<script type="module" nonce="abc" src="https://host/dist/pages/runs.js">');
});

test("a file behind a link out of a folder is not part of it", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "lathe-within-"));
  try {
    const inside = path.join(folder, "inside");
    await mkdir(inside);
    await writeFile(path.join(folder, "secret"), "");
    await writeFile(path.join(inside, "..file"), "");
    await symlink(path.join(folder, "secret"), path.join(inside, "link"));
    await expect(isWithin(path.join(inside, "..file"), [inside])).resolves.toBe(true);
    await expect(isWithin(path.join(inside, "link"), [inside])).resolves.toBe(false);
    await expect(isWithin(path.join(inside, "..", "secret"), [inside])).resolves.toBe(false);
    await expect(isWithin("inside/..file", [inside])).resolves.toBe(false);
    await expect(isWithin(path.join(folder, "inside-too"), [inside])).rejects.toThrow(/ENOENT/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("escapes and links in untrusted text are shown, not interpreted", () => {
  expect(escapeControls("a\u001b[31mb\u0000\u202e\n\tc")).toBe("a\\u001b[31mb\\u0000\\u202e\n\tc");
  expect(escapeNotification("[run](command:workbench.action.quit)")).toBe(
    "[run]\u200b(command:workbench.action.quit)",
  );
});

test("a discarded page no longer watches curves", async () => {
  const { host, page, asked } = connected();
  const series = [{ run: "/runs/one", metric: "train/loss", axis: "step" }] as const;
  await host.request("metrics.watch", { watcher: "a", series });
  page.dispose();
  expect(asked.map(({ params }) => params)).toEqual([
    { watcher: "a", series },
    { watcher: "a", series: [] },
  ]);
});
