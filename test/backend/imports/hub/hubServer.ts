/**
 * A small local hub with two servers, like the real one: one for repositories and one, of another origin, for large
 * files.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const commit = "0123456789abcdef0123456789abcdef01234567";

export interface HubServer extends AsyncDisposable {
  readonly endpoint: string;
  /** `METHOD path` of each request to the hub and the store, in order. */
  readonly asked: string[];
  /** The authorization that the store received. */
  readonly storeAuthorization: (string | undefined)[];
  /** The store closes the connection after this many bytes of a file, this many times. */
  cut: { bytes: number; times: number };
  /** Answers every request with this status. */
  failing: number | undefined;
}

export interface HubContent {
  readonly repository: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly token?: string;
  readonly gated?: boolean;
}

const gitHash = (bytes: Uint8Array) =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const isLarge = (name: string) => name.endsWith(".safetensors");

export async function startHub({ repository, files, token, gated }: HubContent): Promise<HubServer> {
  const byHash = new Map(Object.values(files).map((bytes) => [sha256(bytes), bytes]));
  const asked: string[] = [];
  const storeAuthorization: (string | undefined)[] = [];

  const store = await listen((request, response) => {
    asked.push(`${request.method} store`);
    storeAuthorization.push(request.headers.authorization);
    const bytes = byHash.get(request.url!.slice(1))!;
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const rest = bytes.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      "content-length": rest.length,
      ...(from > 0 ? { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    });
    if (hub.cut.times > 0) {
      hub.cut.times--;
      response.write(rest.subarray(0, hub.cut.bytes), () => response.destroy());
    } else response.end(rest);
  });

  const front = await listen((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const end = (
      status: number,
      headers: Record<string, string | number> = {},
      body?: string | Uint8Array,
    ) => {
      response.writeHead(status, headers);
      return response.end(request.method === "HEAD" ? undefined : body);
    };
    if (hub.failing !== undefined) return end(hub.failing);
    if (request.url!.includes("old/name"))
      return end(307, { location: request.url!.replace("old/name", repository) });
    if (gated === true) return end(403, { "x-error-code": "GatedRepo" });
    const known = request.url!.includes(`/${repository}/`);
    // The hub does not reveal which private models exist.
    if (request.headers.authorization !== (token === undefined ? undefined : `Bearer ${token}`) || !known)
      return end(known || request.headers.authorization === undefined ? 401 : 404, {
        "x-error-code": "RepoNotFound",
      });
    if (request.url!.startsWith("/api/models/")) {
      if (!/revision\/(main|v1%2Fx|[0-9a-f]{40})$/.test(request.url!))
        return end(404, { "x-error-code": "RevisionNotFound" });
      const siblings = [...Object.keys(files), "onnx/model.onnx", "../../escape"].map((rfilename) => ({
        rfilename,
      }));
      return end(200, { "content-type": "application/json" }, JSON.stringify({ sha: commit, siblings }));
    }
    const name = request.url!.split(`/resolve/${commit}/`)[1] ?? "";
    const bytes = files[name];
    if (bytes === undefined) return end(404, { "x-error-code": "EntryNotFound" });
    if (isLarge(name))
      return end(302, {
        location: `${addressOf(store)}/${sha256(bytes)}`,
        "x-linked-etag": `"${sha256(bytes)}"`,
        "x-linked-size": bytes.length,
      });
    return end(200, { etag: `W/"${gitHash(bytes)}"`, "content-length": bytes.length }, bytes);
  });

  const hub: HubServer = {
    endpoint: addressOf(front),
    asked,
    storeAuthorization,
    cut: { bytes: 0, times: 0 },
    failing: undefined,
    async [Symbol.asyncDispose]() {
      for (const server of [front, store]) {
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      }
    },
  };
  return hub;
}

async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<Server> {
  const server = createServer(answer);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return server;
}

const addressOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
