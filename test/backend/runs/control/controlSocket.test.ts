import { mkdirSync, statSync, symlinkSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { sendControl } from "../../../../src/backend/runs/control/controlClient";
import { ControlServer } from "../../../../src/backend/runs/control/controlServer";
import { maxSocketPathBytes, createSocketAddress } from "../../../../src/backend/runs/control/socketAddress";
import type { ControlAnswer, ControlRequest } from "../../../../src/protocol/run";
import { temporaryFolder } from "../workbench";

const posix = process.platform !== "win32";
let server: ControlServer;
let asked: ControlRequest["command"][];

beforeEach(async () => {
  asked = [];
  server = await ControlServer.listen(({ command }) => {
    asked.push(command);
    return { ok: true, state: "running", step: 7 };
  });
});
afterEach(async () => server[Symbol.asyncDispose]());

/** Sends raw bytes and returns everything received until the other side ends. */
function sendRaw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect({ path: server.address });
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      received += chunk.toString();
      if (received.endsWith("\n")) socket.end();
    });
    socket.on("close", () => resolve(received));
    socket.write(text);
  });
}

it("answers every command with its token", async () => {
  for (const command of ["status", "pause", "continue", "checkpoint", "stop"] as const) {
    expect(await sendControl(server.address, server.token, { command })).toEqual({
      ok: true,
      state: "running",
      step: 7,
    });
  }
  expect(asked).toEqual(["status", "pause", "continue", "checkpoint", "stop"]);
});

it("refuses a wrong or missing token, an unknown command and garbage, each with an answer", async () => {
  const wrong = await sendControl(server.address, "0".repeat(64), { command: "stop" });
  expect(wrong).toMatchObject({ ok: false, code: "invalid-input" });
  const { token } = server;
  for (const text of [
    "noise",
    "null",
    "3",
    '{"command":"stop"}',
    JSON.stringify({ token, command: "explode" }),
  ]) {
    const answer = JSON.parse(await sendRaw(`${text}\n`)) as ControlAnswer;
    expect(answer).toMatchObject({ ok: false, code: "invalid-input" });
  }
  expect(asked).toEqual([]);
});

it("does not read an endless message into memory", async () => {
  const answer = JSON.parse(await sendRaw("x".repeat(100_000))) as ControlAnswer;
  expect(answer).toMatchObject({ ok: false, message: expect.stringContaining("4096") as string });
  expect(await sendControl(server.address, server.token, { command: "status" })).toMatchObject({ ok: true });
});

it("executes a request whose sender has already disconnected", async () => {
  const socket = connect({ path: server.address });
  socket.on("error", () => undefined);
  socket.write(`${JSON.stringify({ command: "stop", token: server.token })}\n`, () => socket.destroy());
  for (let wait = 0; asked.length === 0 && wait < 100; wait++) await setTimeout(10);
  expect(asked).toEqual(["stop"]);
});

it("answers within one pause between two steps that block the thread", async () => {
  const answer = sendControl(server.address, server.token, { command: "status" });
  await setTimeout(20); // The client has connected and written before the long step begins.
  const end = performance.now() + 300;
  while (performance.now() < end);
  let answered = false;
  void answer.then(() => (answered = true));
  await server.settle();
  await setTimeout(5);
  expect(answered).toBe(true);
});

it("reports that a run can't be reached if nothing listens", async () => {
  await server[Symbol.asyncDispose]();
  await expect(sendControl(server.address, server.token, { command: "status" })).rejects.toMatchObject({
    code: "busy",
  });
});

it.skipIf(!posix)("allows only its user to access the socket", () => {
  expect(statSync(server.address).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(server.address)).mode & 0o777).toBe(0o700);
});

it.skipIf(!posix)("keeps addresses short, and avoids a folder that another user has created", () => {
  const before = process.env.TMPDIR;
  const deep = join(temporaryFolder(), "d".repeat(90));
  mkdirSync(deep);
  const hijacked = temporaryFolder();
  symlinkSync(deep, join(hijacked, `lathe-${userInfo().uid}`));
  try {
    process.env.TMPDIR = deep;
    expect(Buffer.byteLength(createSocketAddress())).toBeLessThanOrEqual(maxSocketPathBytes);
    process.env.TMPDIR = hijacked;
    expect(dirname(createSocketAddress())).not.toBe(join(hijacked, `lathe-${userInfo().uid}`));
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
});
