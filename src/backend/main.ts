/**
 * The backend service of a window, forked by the extension host with `serialization: "advanced"`, which preserves
 * undefined and NaN. It ends with its parent; the runs it has started continue.
 */
import type { Events, HostRequests, Requests } from "../protocol/backend";
import { Connection, type Empty } from "../protocol/connection";
import { type WorkbenchError, toWorkbenchError } from "../protocol/errors";
import { version } from "../protocol/version";
import { createHandlers } from "./handlers";
import { WindowService } from "./service/windowService";

const state: { connection?: Connection<HostRequests, Empty, Requests, Events> } = {};
const service = new WindowService(
  (name, payload) => state.connection?.emit(name, payload),
  async (file) => state.connection?.request("python.interpreter", file === undefined ? {} : { file }) ?? {},
);

/** A closing channel reports each message that it rejects; `disconnect` then ends the service. */
const channel = {
  post: (message: unknown) => void process.send?.(message, undefined, undefined, () => undefined),
  listen: (listener: (message: unknown) => void) => void process.on("message", listener),
};

function reportFault(error: WorkbenchError): void {
  const origin = error.cause instanceof Error ? error.cause : error;
  service.emit("logged", { level: "error", message: origin.stack ?? error.message });
}

/** The host restarts the service and reports it. */
function crash(thrown: unknown): void {
  const error = toWorkbenchError(thrown);
  process.stderr.write(`${(error.cause as Error | undefined)?.stack ?? error.message}\n`);
  reportFault(error);
  // Give the message a moment to be sent.
  setTimeout(() => process.exit(1), 50);
}

process.on("uncaughtException", crash);
process.on("unhandledRejection", crash);

if (process.send === undefined) {
  process.stderr.write(
    "This is the service of the extension, which starts it. To run experiments, use `lathe`.\n",
  );
  process.exit(2);
}

/** Completes the start of runs before leaving: a window that is reloaded meanwhile finds them all. */
const leave = () => void service.settle().finally(() => process.exit(0));
process.on("disconnect", leave);
process.on("SIGTERM", leave);

state.connection = new Connection<HostRequests, Empty, Requests, Events>(
  channel,
  {
    ...service.whenOpen(createHandlers(service)),
    "workspace.open": async (params) => {
      await service.open(params);
      return { version, pid: process.pid };
    },
  },
  { onFault: reportFault },
);
