/** The client side of a run's control socket. */
import { connect } from "node:net";
import { join } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import { isActive, type ControlAnswer, type ControlRequest } from "../../../protocol/run";
import { readBounded } from "../folder/boundedFile";
import { maxMessageBytes, tokenFile, writeRequest } from "./controlProtocol";
import { readRun } from "../folder/findRuns";
import { isSocketAddress } from "./socketAddress";

export interface ControlOptions {
  /** A step blocks the run's thread, so an answer may take as long as a step. */
  readonly timeoutMilliseconds?: number;
}

const defaultTimeout = 30_000;

function unreachableError(address: string, why: string, cause?: unknown): WorkbenchError {
  return new WorkbenchError("busy", `The run can't be reached at ${address}: ${why}.`, {}, { cause });
}

/** Sends one request. It remains in effect if the caller stops waiting: the run reads it between two steps. */
export function sendControl(
  address: string,
  token: string,
  request: ControlRequest,
  options: ControlOptions = {},
): Promise<ControlAnswer> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect({ path: address });
    const fail = (error: WorkbenchError) => {
      socket.destroy();
      reject(error);
    };
    const timeout = options.timeoutMilliseconds ?? defaultTimeout;
    const timer = setTimeout(() => {
      const why = `no answer within ${timeout / 1000} s, possibly because of a long step; the request takes effect after that step`;
      fail(unreachableError(address, why));
    }, timeout);
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(writeRequest(request, token)));
    socket.on("error", (cause) => fail(unreachableError(address, cause.message, cause)));
    socket.on("data", (chunk: string) => {
      received += chunk;
      const end = received.indexOf("\n");
      if (end === -1 && received.length > maxMessageBytes)
        fail(unreachableError(address, "its answer is too long"));
      if (end === -1) return;
      try {
        resolve(JSON.parse(received.slice(0, end)) as ControlAnswer);
        socket.end();
      } catch (cause) {
        fail(unreachableError(address, "its answer is not JSON", cause));
      }
    });
    socket.on("close", () => {
      clearTimeout(timer);
      reject(unreachableError(address, "it closed the connection")); // Has no effect once resolved.
    });
  });
}

/** Sends a request to the process of a run folder and throws if the run refuses it. */
export async function controlRun(
  folder: string,
  request: ControlRequest,
  options: ControlOptions = {},
): Promise<ControlAnswer & { ok: true }> {
  const run = await readRun(folder);
  if (run.record === undefined) throw new WorkbenchError("corrupt", run.failure.message);
  const { id, process: runs, state } = run.record;
  if (!isActive(run.record)) {
    throw new WorkbenchError(
      "invalid-input",
      `${id} is ${state}; only an active run accepts ${request.command}.`,
    );
  }
  if (runs === undefined || runs.socket === "") {
    throw new WorkbenchError("busy", `${id} is still starting. Try again in a moment.`);
  }
  if (!isSocketAddress(runs.socket))
    throw unreachableError(runs.socket, "this is not the control socket of a run");
  const token = readBounded(join(folder, tokenFile), maxMessageBytes).trim();
  const answer = await sendControl(runs.socket, token, request, options);
  if (!answer.ok) throw new WorkbenchError("busy", answer.message, { reason: answer.code });
  return answer;
}
