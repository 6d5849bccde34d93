/** The process of one model, `lathe serve`: it holds the weights, and its crash affects nothing else. */
import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { Connection, type Empty } from "../../../protocol/connection";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { ModelProcessEvents, ModelProcessRequests } from "../../../protocol/service/answers";
import { createEnvironment, resolveProgramPath } from "../latheProcess";

const maxErrorLines = 5;

export class ModelProcess {
  readonly connection: Connection<ModelProcessRequests, ModelProcessEvents, Empty, Empty>;
  /** Rejects with the reason when the process has ended. */
  readonly ended: Promise<never>;
  private readonly child: ChildProcess;

  constructor(model: string, device: string) {
    const child = fork(resolveProgramPath(), ["serve", "--json", `--device=${device}`, "--", model], {
      // The debugger's port of the window is taken already.
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: createEnvironment(),
    });
    this.child = child;
    const errors: string[] = [];
    createInterface({ input: child.stderr! }).on("line", (line) => {
      errors.push(line);
      errors.splice(0, errors.length - maxErrorLines);
    });
    this.connection = new Connection<ModelProcessRequests, ModelProcessEvents, Empty, Empty>(
      {
        // A closing channel reports each message that it rejects; `exit` then ends the connection.
        post: (message) => void child.send(message as object, () => undefined),
        listen: (listener) => void child.on("message", listener),
      },
      {},
      { onFault: (error) => errors.push(error.message) },
    );
    this.ended = new Promise<never>((_, fail) => {
      child.once("error", (error) => fail(new WorkbenchError("io", error.message, {}, { cause: error })));
      // Not `exit`, because the last lines of its output arrive later.
      child.once("close", (status, signal) => fail(createEndError(signal ?? `status ${status}`, errors)));
    });
    this.ended.catch((thrown: unknown) => this.connection.end(toWorkbenchError(thrown)));
  }

  /** Frees the model at once, whatever it is doing. */
  kill(): void {
    this.child.kill("SIGKILL");
  }
}

function createEndError(ending: string, errors: readonly string[]): WorkbenchError {
  const last = errors.join("\n").trim();
  return new WorkbenchError(
    "process-died",
    `The process of the model ended with ${ending}. ` +
      "If the memory was exhausted, remove another model or choose a smaller one. Load the model again to continue." +
      (last === "" ? "" : `\n${last}`),
  );
}
