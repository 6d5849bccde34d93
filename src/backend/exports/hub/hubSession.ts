/** The requests of a push: they end with the signal, are repeated after a broken connection, and fail with one clear error. */
import { setTimeout as wait } from "node:timers/promises";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { PushSettings } from "./pushRequest";
import { FileBody } from "./fileBody";

const attempts = 4;
const answerMilliseconds = 120_000;
/** These change the repository, so a request whose answer is lost is not repeated. */
const changing = /\/api\/(repos\/create|models\/.*\/commit\/)/;

export interface SessionOptions {
  readonly signal: AbortSignal | undefined;
  /** Receives the number of bytes of a file that have been read for an upload; negative before a repetition. */
  readonly onUpload?: (bytes: number) => void;
}

/** A `fetch` for the client of the hub. */
export function createHubFetch(
  { endpoint }: PushSettings,
  { signal, onUpload }: SessionOptions,
): typeof fetch {
  const isStopped = () => signal?.aborted === true;
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    const isUpload = init.method === "PUT";
    for (let attempt = 1; ; attempt++) {
      if (isStopped()) throw new WorkbenchError("cancelled", "Stopped.");
      let sent = 0;
      const body =
        init.body instanceof FileBody
          ? init.body.observe((bytes) => {
              sent += bytes;
              onUpload?.(bytes);
            })
          : (init.body ?? null);
      const signals = [init.signal, signal, isUpload ? undefined : AbortSignal.timeout(answerMilliseconds)];
      const mayRepeat = attempt < attempts && !changing.test(url);
      try {
        const response = await fetch(input, {
          ...init,
          body,
          signal: AbortSignal.any(signals.filter((each) => each instanceof AbortSignal)),
        });
        if (response.status < 500 || !mayRepeat) return response;
        await response.body?.cancel();
      } catch (cause) {
        if (isStopped()) throw new WorkbenchError("cancelled", "Stopped.", {}, { cause });
        if (!mayRepeat || init.signal?.aborted === true) throw createConnectionError(endpoint, url, cause);
      }
      onUpload?.(-sent);
      await wait(100 * 2 ** attempt);
    }
  };
}

function createConnectionError(endpoint: string, url: string, cause: unknown): WorkbenchError {
  const { code } = (cause as { cause?: { code?: unknown } }).cause ?? {};
  const reason =
    (cause as Error).name === "TimeoutError"
      ? `it did not answer within ${answerMilliseconds / 1000} seconds`
      : `the connection failed${typeof code === "string" ? ` (${code})` : ""}`;
  const host = url.startsWith(endpoint) ? endpoint : new URL(url).origin;
  return new WorkbenchError("network", `The request to ${host} failed: ${reason}.`, {}, { cause });
}

/** What the client of the hub throws for an answer with an error status. */
interface ApiError {
  readonly statusCode: number;
  readonly data?: { readonly error?: unknown };
}

const isApiError = (thrown: unknown): thrown is ApiError =>
  thrown instanceof Error && typeof (thrown as Partial<ApiError>).statusCode === "number";

export function hasStatus(thrown: unknown, ...statuses: readonly number[]): boolean {
  return isApiError(thrown) && statuses.includes(thrown.statusCode);
}

/** One error with what to do, for anything that is thrown while `repository` is written. */
export function toPushError(
  thrown: unknown,
  { endpoint, repository }: { readonly endpoint: string; readonly repository: string },
): WorkbenchError {
  if (!isApiError(thrown)) return toWorkbenchError(thrown);
  const fail = (code: "network" | "invalid-input" | "busy", message: string) =>
    new WorkbenchError(code, message, {}, { cause: thrown });
  const { statusCode: status, data } = thrown;
  const answer = typeof data?.error === "string" ? ` It answered: ${toOneLine(data.error)}` : "";
  const token = "the token in HF_TOKEN or in the token file";
  if (status === 401)
    return fail(
      "invalid-input",
      `${endpoint} does not accept ${token}: it has expired or was deleted. Create one with write access at ${endpoint}/settings/tokens.`,
    );
  if (status === 403)
    return fail(
      "invalid-input",
      `${endpoint} does not allow ${token} to write to ${repository}. Use a token with write access to it, or a repository of your own account.${answer}`,
    );
  if (status === 404)
    return fail("invalid-input", `${endpoint} has no ${repository} that ${token} can write to.${answer}`);
  if (status === 409 || status === 412)
    return fail(
      "busy",
      `${repository} was changed by someone else during the push, so nothing was committed. Push again; files that the hub has already are not sent again.${answer}`,
    );
  return fail(
    "network",
    `The request for ${repository} to ${endpoint} failed with status ${status}.${answer}`,
  );
}

/** Text of a server, without control characters and of a limited length. */
function toOneLine(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\s]+/g, " ").slice(0, 200);
}
