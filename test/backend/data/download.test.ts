import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type NamedFile, locateFile } from "../../../src/backend/data/namedFile";
import { failureOf, temporaryFolder, writeFiles } from "./fixtures";

const content = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `line ${i * 7919}\n`).join(""));
const requests: { range: string | undefined }[] = [];
let server: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let file: NamedFile;

beforeEach(async () => {
  requests.length = 0;
  answer = serveRanges;
  server = createServer((request, response) => {
    requests.push({ range: request.headers.range });
    answer(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  file = {
    name: "train.txt",
    url: `http://127.0.0.1:${port}/files/train.txt`,
    sha256: createHash("sha256").update(content).digest("hex"),
    bytes: content.length,
  };
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

function serveRanges(request: IncomingMessage, response: ServerResponse): void {
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
  response.writeHead(from > 0 ? 206 : 200, { "content-length": content.length - from });
  response.end(content.subarray(from));
}

/** Sends a third of the requested bytes and then drops the connection. */
function cutOff(request: IncomingMessage, response: ServerResponse): void {
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
  response.writeHead(from > 0 ? 206 : 200, { "content-length": content.length - from });
  const end = from + Math.floor((content.length - from) / 3);
  response.write(content.subarray(from, end), () => setTimeout(() => response.destroy(), 50));
}

interface Where {
  readonly cacheFolder: string;
  readonly dataFolder?: string;
  readonly signal?: AbortSignal;
  readonly steps?: [number, number][];
}

async function locate({ cacheFolder, dataFolder, signal, steps }: Where): Promise<string> {
  return locateFile({ what: 'the data set "sample" (none)', folder: "sample", cache: "datasets" }, file, {
    cacheFolder,
    dataFolder,
    signal,
    progress: (done, total) => steps?.push([done, total]),
  });
}

function filesIn(cacheFolder: string): string[] {
  const folder = path.join(cacheFolder, "datasets", "sample");
  return existsSync(folder) ? readdirSync(folder) : [];
}

test("a file is downloaded once, with progress, and then found in the cache", async () => {
  const cacheFolder = temporaryFolder();
  const steps: [number, number][] = [];
  const found = await locate({ cacheFolder, steps });
  expect(readFileSync(found).equals(content)).toBe(true);
  expect(steps.length).toBeGreaterThan(3);
  expect(steps.at(-1)).toEqual([content.length, content.length]);
  expect(await locate({ cacheFolder })).toBe(found);
  expect(requests.length).toBe(1);
  expect(filesIn(cacheFolder)).toEqual(["train.txt"]);
});

test("a download resumes where the connection was cut", async () => {
  let cuts = 2;
  answer = (request, response) => (cuts-- > 0 ? cutOff : serveRanges)(request, response);
  const cacheFolder = temporaryFolder();
  const found = await locate({ cacheFolder });
  expect(readFileSync(found).equals(content)).toBe(true);
  expect(requests.length).toBe(3);
  expect(requests[0]!.range).toBeUndefined();
  const starts = requests.slice(1).map(({ range }) => Number(/bytes=(\d+)-/.exec(range!)![1]));
  expect(starts[0]).toBeGreaterThan(0);
  expect(starts[1]).toBeGreaterThan(starts[0]!);
});

test("a later attempt resumes the download of an earlier one", async () => {
  const cacheFolder = temporaryFolder();
  answer = cutOff;
  const error = await failureOf(locate({ cacheFolder }));
  expect(error.code).toBe("network");
  expect(error.message).toContain("connection was cut");
  expect(filesIn(cacheFolder)).toEqual([`train.txt.${file.sha256.slice(0, 8)}.part`]);
  const before = requests.length;
  answer = serveRanges;
  expect(readFileSync(await locate({ cacheFolder })).equals(content)).toBe(true);
  expect(requests.length).toBe(before + 1);
  expect(Number(/bytes=(\d+)-/.exec(requests.at(-1)!.range!)![1])).toBeGreaterThan(content.length / 2);
});

test("a server without range requests sends the whole file again", async () => {
  let cuts = 1;
  answer = (request, response) => {
    delete request.headers.range;
    (cuts-- > 0 ? cutOff : serveRanges)(request, response);
  };
  expect(readFileSync(await locate({ cacheFolder: temporaryFolder() })).equals(content)).toBe(true);
});

test("a damaged part is discarded and downloaded again", async () => {
  const cacheFolder = temporaryFolder();
  const part = `datasets/sample/train.txt.${file.sha256.slice(0, 8)}.part`;
  await writeFiles(cacheFolder, { [part]: "x".repeat(1000) });
  expect(readFileSync(await locate({ cacheFolder })).equals(content)).toBe(true);
  expect(requests.map(({ range }) => range)).toEqual(["bytes=1000-", undefined]);
});

test("a file with a wrong checksum is refused and not kept", async () => {
  file = { ...file, sha256: "0".repeat(64) };
  const cacheFolder = temporaryFolder();
  const error = await failureOf(locate({ cacheFolder }));
  expect(error.code).toBe("network");
  expect(error.message).toContain("SHA-256");
  expect(filesIn(cacheFolder)).toEqual([]);
});

test("a longer file than expected is refused before it fills the disk", async () => {
  file = { ...file, bytes: 1000 };
  const error = await failureOf(locate({ cacheFolder: temporaryFolder() }));
  expect(error.message).toContain("longer than the 1000 bytes");
});

test.each([404, 403])("status %i is an error that shows where to place the file", async (status) => {
  answer = (_, response) => response.writeHead(status).end();
  const cacheFolder = temporaryFolder();
  const error = await failureOf(locate({ cacheFolder }));
  expect(error.code).toBe("network");
  expect(error.message).toContain(String(status));
  expect(error.message).toContain(path.join("sample", "train.txt"));
  expect(error.message).toContain("LATHE_DATA");
  expect(error.message).toContain(cacheFolder);
  expect(requests.length).toBe(1);
});

test("without a network, there is one clear error with the path of the file", async () => {
  await new Promise((closed) => server.close(closed));
  const cacheFolder = temporaryFolder();
  const error = await failureOf(locate({ cacheFolder, dataFolder: "/somewhere" }));
  expect(error.code).toBe("network");
  expect(error.message).toContain("cannot be reached (ECONNREFUSED)");
  expect(error.message).toContain(path.join("/somewhere", "sample", "train.txt"));
});

test("LATHE_DATA comes first, then the cache; a damaged cached file is downloaded again", async () => {
  const [dataFolder, cacheFolder] = [temporaryFolder(), temporaryFolder()];
  await writeFiles(dataFolder, { "sample/train.txt": content });
  expect(await locate({ dataFolder, cacheFolder })).toBe(path.join(dataFolder, "sample", "train.txt"));
  expect(requests.length).toBe(0);
  const found = await locate({ cacheFolder });
  writeFileSync(found, "damaged");
  await locate({ cacheFolder });
  expect(requests.length).toBe(2);
  expect(readFileSync(found).equals(content)).toBe(true);
});

test("two concurrent requests download the same file once", async () => {
  const cacheFolder = temporaryFolder();
  const found = await Promise.all([
    locate({ cacheFolder }),
    locate({ cacheFolder }),
    locate({ cacheFolder }),
  ]);
  expect(new Set(found).size).toBe(1);
  expect(requests.length).toBe(1);
  expect(filesIn(cacheFolder)).toEqual(["train.txt"]);
});

test("stopping ends the download and keeps the part received so far", async () => {
  const cacheFolder = temporaryFolder();
  const stop = new AbortController();
  answer = (_, response) => {
    response.writeHead(200, { "content-length": content.length });
    response.write(content.subarray(0, 100_000), () => setTimeout(() => stop.abort(), 50));
  };
  const error = await failureOf(locate({ cacheFolder, signal: stop.signal }));
  expect(error.code).toBe("cancelled");
  expect(filesIn(cacheFolder)).toEqual([`train.txt.${file.sha256.slice(0, 8)}.part`]);
});
