/** Questions that come and go with every key that is pressed: each may be overtaken, and none is worth a message box. */
import type * as vscode from "vscode";
import { toWorkbenchError } from "../../protocol/errors";

export function toAbortSignal(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort();
  token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}

/** The answer, or undefined if the request was cancelled or failed; a failure is logged. */
export async function requestQuietly<T>(
  log: vscode.LogOutputChannel,
  signal: AbortSignal,
  request: Promise<T>,
): Promise<T | undefined> {
  try {
    const result = await request;
    return signal.aborted ? undefined : result;
  } catch (thrown) {
    const { code, message } = toWorkbenchError(thrown);
    if (code !== "cancelled" && !signal.aborted) log.warn(message);
    return undefined;
  }
}
