/**
 * A small local hub that accepts pushes, with the API that the hub's client uses: accounts, repositories, preupload, batches
 * of large files, commits. Large files are stored by a second server of another origin, as on the real hub.
 */
import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface PushedRepository {
  isPrivate: boolean;
  head: string;
  readonly files: Map<string, Uint8Array>;
}

interface Failure {
  /** Of `METHOD path` of requests to the hub or the store. */
  readonly request: RegExp;
  /** `cut` closes the connection in the middle of the body. */
  readonly answer: number | "cut";
  times: number;
}

export interface PushServer extends AsyncDisposable {
  readonly endpoint: string;
  readonly repositories: Map<string, PushedRepository>;
  /** `METHOD path` of each request, in order; those to the store begin with `store`. */
  readonly asked: string[];
  /** Authorizations that the store received. */
  readonly storeAuthorizations: (string | undefined)[];
  /** Large files by SHA-256. */
  readonly stored: Map<string, Uint8Array>;
  failure: Failure | undefined;
}

export interface PushAccount {
  readonly token: string;
  readonly name: string;
  readonly organizations?: readonly string[];
  readonly role?: "read" | "write";
  /** Large files are sent in parts of this size. */
  readonly partBytes?: number;
}

interface CommitLine {
  readonly key: "header" | "file" | "lfsFile";
  readonly value: {
    readonly parentCommit?: string;
    readonly path: string;
    readonly content: string;
    readonly oid: string;
    readonly size: number;
  };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const drawCommit = () => randomBytes(20).toString("hex");

export async function startPushServer(account: PushAccount): Promise<PushServer> {
  const repositories = new Map<string, PushedRepository>();
  const asked: string[] = [];
  const stored = new Map<string, Uint8Array>();
  const parts = new Map<string, Uint8Array[]>();
  const storeAuthorizations: (string | undefined)[] = [];

  /** Answers as the failure requests; returns the body of a request that is served. */
  const receive = async (
    request: IncomingMessage,
    response: ServerResponse,
    prefix: string,
  ): Promise<Buffer | undefined> => {
    const line = `${prefix}${request.method} ${request.url}`;
    asked.push(line);
    const { failure } = hub;
    const fails = failure !== undefined && failure.times > 0 && failure.request.test(line);
    if (fails) failure.times--;
    const pieces: Buffer[] = [];
    try {
      for await (const piece of request) {
        pieces.push(piece as Buffer);
        if (fails && failure.answer === "cut") request.socket.destroy();
      }
    } catch {
      return undefined; // The connection is closed.
    }
    if (!fails) return Buffer.concat(pieces);
    if (failure.answer === "cut") request.socket.destroy();
    else
      response
        .writeHead(failure.answer, { "content-type": "application/json" })
        .end(JSON.stringify({ error: `refused\u001b[31m for the test` }));
    return undefined;
  };

  const store = await listen(async (request, response) => {
    storeAuthorizations.push(request.headers.authorization);
    const body = await receive(request, response, "store ");
    if (body === undefined) return;
    const [, oid, part] = request.url!.split("/") as [string, string, string?];
    if (request.method === "POST") stored.set(oid, Buffer.concat(parts.get(oid)!));
    else if (part === undefined) stored.set(oid, body);
    else {
      const list = parts.get(oid) ?? [];
      list[Number(part) - 1] = body;
      parts.set(oid, list);
    }
    response.writeHead(200, { etag: `"${sha256(body)}"` }).end();
  });
  const storeEndpoint = `http://localhost:${(store.address() as AddressInfo).port}`;

  const front = await listen(async (request, response) => {
    const body = await receive(request, response, "");
    if (body === undefined) return;
    const answer = (status: number, content: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(content));
    if (request.headers.authorization !== `Bearer ${account.token}`)
      return answer(401, { error: "Invalid credentials" });
    const url = new URL(request.url!, "http://hub");
    const json = () => JSON.parse(body.toString()) as Record<string, never>;
    const owners = [account.name, ...(account.organizations ?? [])];
    if (url.pathname === "/api/whoami-v2")
      return answer(200, {
        type: "user",
        name: account.name,
        orgs: (account.organizations ?? []).map((name) => ({ type: "org", name })),
        auth: { type: "access_token", accessToken: { role: account.role ?? "write" } },
      });
    if (url.pathname === "/api/repos/create") {
      const { name, organization, visibility } = json() as unknown as Record<string, string>;
      const repository = `${organization}/${name}`;
      if (!owners.includes(organization!)) return answer(403, { error: "You have no rights here" });
      if (repositories.has(repository)) return answer(409, { error: "You already created this repo" });
      const head = drawCommit();
      repositories.set(repository, { isPrivate: visibility === "private", head, files: new Map() });
      return answer(200, { url: `http://hub/${repository}`, id: repository });
    }
    const [, repository, operation] =
      /^\/(?:api\/models\/)?([^/]+\/[^/]+?)(?:\.git)?\/(revision|preupload|commit|info)\//.exec(
        url.pathname,
      ) ?? [];
    const found = repository === undefined ? undefined : repositories.get(repository);
    if (found === undefined) return answer(404, { error: "Repository not found" });
    if (operation === "revision")
      return answer(200, {
        _id: "1",
        id: repository,
        private: found.isPrivate,
        sha: found.head,
        siblings: [...found.files.keys()].map((rfilename) => ({ rfilename })),
        lastModified: "2026-01-01T00:00:00Z",
      });
    if (operation === "preupload") {
      const { files } = json() as unknown as { files: { path: string }[] };
      return answer(200, {
        files: files.map(({ path }) => ({
          path,
          uploadMode: path.endsWith(".safetensors") ? "lfs" : "regular",
        })),
      });
    }
    if (operation === "info") {
      const { objects } = json() as unknown as { objects: { oid: string; size: number }[] };
      return answer(200, {
        transfer: "basic",
        objects: objects.map(({ oid, size }) =>
          stored.has(oid)
            ? { oid, size }
            : { oid, size, actions: { upload: createUpload(`${storeEndpoint}/${oid}`, size) } },
        ),
      });
    }
    return answer(...commitLines(found, body.toString()));
  });

  const createUpload = (href: string, size: number): object => {
    const { partBytes } = account;
    if (partBytes === undefined) return { href };
    const count = Math.ceil(size / partBytes);
    const urls = Array.from(
      { length: count },
      (_, i) => [String(i + 1).padStart(5, "0"), `${href}/${i + 1}`] as const,
    );
    return { href, header: { chunk_size: String(partBytes), ...Object.fromEntries(urls) } };
  };

  const commitLines = (repository: PushedRepository, text: string): [number, object] => {
    const lines = text.split("\n").map((line) => JSON.parse(line) as CommitLine);
    const files = new Map<string, Uint8Array>();
    for (const { key, value } of lines)
      if (key === "header") {
        if (value.parentCommit !== undefined && value.parentCommit !== repository.head)
          return [412, { error: "A commit has happened since" }];
      } else if (key === "file") files.set(value.path, Buffer.from(value.content, "base64"));
      else {
        const bytes = stored.get(value.oid);
        if (bytes === undefined || sha256(bytes) !== value.oid || bytes.length !== value.size)
          return [400, { error: `${value.path} was not uploaded` }];
        files.set(value.path, bytes);
      }
    for (const [path, bytes] of files) repository.files.set(path, bytes);
    repository.head = drawCommit();
    return [200, { commitOid: repository.head, commitUrl: "http://hub/commit", hookOutput: "" }];
  };

  const hub: PushServer = {
    endpoint: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    repositories,
    asked,
    storeAuthorizations,
    stored,
    failure: undefined,
    async [Symbol.asyncDispose]() {
      for (const server of [front, store]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
  return hub;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<unknown>;

async function listen(handle: Handler): Promise<Server> {
  const server = createServer((request, response) => {
    handle(request, response).catch((thrown: unknown) => response.destroy(thrown as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
