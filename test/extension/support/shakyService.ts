/** A service that does as it is told, dying included; bundled and forked by the tests of the process that holds it. */
import { writeSync } from "node:fs";
import { Connection } from "../../../src/protocol/connection";
import { WorkbenchError } from "../../../src/protocol/errors";

const opened: unknown[] = [];
if (process.env["SHAKY_DIES_AT_START"] !== undefined) process.exit(7);

const connection: Connection<object, object, never, never> = new Connection(
  {
    post: (message) => void process.send!(message),
    listen: (listener) => void process.on("message", listener),
  },
  {
    "workspace.open": (params: unknown) => {
      opened.push(params);
      return { version: "0", pid: process.pid };
    },
    /** Stands for any request: answers what the service has been told, dies, or never answers. */
    "runs.list": () => ({ runs: opened }),
    "runs.start": () => process.exit(3),
    "runs.results": () => new Promise(() => undefined),
    "runs.log": () => {
      writeSync(2, "caught in a loop\n");
      for (;;);
    },
    "runs.stop": () => {
      throw new WorkbenchError("busy", "Somebody else holds it.", { allowed: ["later"] });
    },
    "devices.list": () => {
      (connection.emit as (name: string, payload: unknown) => void)("alertRaised", {
        kind: "done",
        value: NaN,
      });
      return { devices: [] };
    },
  } as never,
  { onFault: (error) => process.stderr.write(`${error.message}\n`) },
);
process.on("disconnect", () => process.exit(0));
// As the real one, it tidies up first, unless it is caught in a loop.
process.on("SIGTERM", () => process.exit(0));
