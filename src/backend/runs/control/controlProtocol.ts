/** The lines of the control socket: a request with the run's token, and its answer. */
import { timingSafeEqual } from "node:crypto";
import type { ControlAnswer, ControlRequest } from "../../../protocol/run";

/** A file of the run folder, readable only by its owner, whose content every request must include. */
export const tokenFile = "control.token";

export const maxMessageBytes = 4096;

export const commands = [
  "status",
  "stop",
  "pause",
  "continue",
  "checkpoint",
] as const satisfies readonly ControlRequest["command"][];

export type ReadRequest =
  { readonly request: ControlRequest } | { readonly refusal: ControlAnswer & { readonly ok: false } };

const refuse = (code: string, message: string): ReadRequest => ({ refusal: { ok: false, code, message } });

function isEqualToken(candidate: string, token: string): boolean {
  const [a, b] = [Buffer.from(candidate), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}

export function readRequest(text: string, token: string): ReadRequest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse("invalid-input", "The request is not JSON.");
  }
  const { token: candidate, command } = (value ?? {}) as Record<string, unknown>;
  if (typeof candidate !== "string" || !isEqualToken(candidate, token)) {
    return refuse("invalid-input", "The request does not include the token of this run.");
  }
  const known = commands.find((name) => name === command);
  if (known === undefined) {
    return refuse("invalid-input", `Unknown command. Allowed: ${commands.join(", ")}.`);
  }
  return { request: { command: known } };
}

export function writeRequest(request: ControlRequest, token: string): string {
  return `${JSON.stringify({ ...request, token })}\n`;
}
