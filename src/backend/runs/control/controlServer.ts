/** The server side of a run's control socket: every request is one JSON line, and so is its answer. */
import { randomBytes } from "node:crypto";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { setImmediate, setTimeout } from "node:timers/promises";
import { toWorkbenchError } from "../../../protocol/errors";
import type { ControlAnswer, ControlRequest } from "../../../protocol/run";
import { maxMessageBytes, readRequest } from "./controlProtocol";
import { createSocketAddress } from "./socketAddress";

export type Answerer = (request: ControlRequest) => ControlAnswer;

const idleMilliseconds = 60_000;

export class ControlServer implements AsyncDisposable {
  readonly token = randomBytes(32).toString("hex");
  /** Connections whose first request has not been answered. */
  private waiting = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(
    readonly address: string,
    private readonly answer: Answerer,
  ) {
    this.server = createServer((socket) => this.serve(socket));
    this.server.maxConnections = 32;
  }

  static async listen(answer: Answerer): Promise<ControlServer> {
    const created = new ControlServer(createSocketAddress(), answer);
    await new Promise<void>((resolve, reject) => {
      created.server.once("error", reject);
      created.server.listen({ path: created.address }, resolve);
    });
    if (process.platform !== "win32") chmodSync(created.address, 0o600);
    // A later failure of a connection concerns only that connection.
    created.server.on("error", () => undefined);
    return created;
  }

  /**
   * Processes requests that arrived during a step: connecting, reading and answering take three turns of the event
   * loop, and without this call a long step would separate them.
   */
  async settle(): Promise<void> {
    await setImmediate();
    for (let turn = 0; this.waiting > 0 && turn < 20; turn++) await setTimeout(1);
  }

  private serve(socket: Socket): void {
    let received = "";
    let answered = false;
    this.waiting++;
    this.sockets.add(socket);
    const settleOne = () => {
      if (!answered) this.waiting--;
      answered = true;
    };
    const reply = (answer: ControlAnswer) => {
      settleOne();
      socket.write(`${JSON.stringify(answer)}\n`);
    };
    socket.setEncoding("utf8");
    socket.setTimeout(idleMilliseconds, () => socket.destroy());
    socket.on("error", () => socket.destroy()); // The client has disconnected; its request remains in effect.
    socket.on("close", () => {
      settleOne();
      this.sockets.delete(socket);
    });
    socket.on("data", (chunk: string) => {
      received += chunk;
      for (let end = received.indexOf("\n"); end !== -1; end = received.indexOf("\n")) {
        reply(this.handle(received.slice(0, end)));
        received = received.slice(end + 1);
      }
      if (received.length <= maxMessageBytes) return;
      received = "";
      const message = `A request has at most ${maxMessageBytes} bytes.`;
      reply({ ok: false, code: "invalid-input", message });
      socket.end();
    });
  }

  private handle(line: string): ControlAnswer {
    const read = readRequest(line, this.token);
    if ("refusal" in read) return read.refusal;
    try {
      return this.answer(read.request);
    } catch (thrown) {
      const { code, message } = toWorkbenchError(thrown);
      return { ok: false, code, message };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.sockets) socket.end();
    const patience = setTimeout(500, undefined, { ref: false });
    await Promise.race([closed, patience]);
    for (const socket of this.sockets) socket.destroy();
    await closed;
    if (process.platform !== "win32") rmSync(this.address, { force: true });
  }
}
