/**
 * A service that follows its instructions, including to crash; bundled and forked by the tests of the process that
 * manages it.
 */
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
    /** Represents any request: answers with what the service has received, crashes, or never answers. */
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
// Like the real one, it cleans up first, unless it is in an endless loop.
process.on("SIGTERM", () => process.exit(0));
