/**
 * Runs the command line in a separate process for work that the service must not do itself: load the runtime or hold
 * the weights of a model. A crash or memory exhaustion there does not affect the window, and the process can be
 * cancelled.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import * as z from "zod";
import { type ErrorCode, WorkbenchError } from "../../protocol/errors";

/** Far above the size of any document. */
const maxBytes = 16 * 2 ** 20;

const failureSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

/** Returns the document of `lathe COMMAND --json …`. Throws the error that the command reports, with its code. */
export async function runLatheCommand<T>(
  command: string,
  args: readonly string[],
  document: z.ZodType<T>,
  signal: AbortSignal,
): Promise<T> {
  const { output, errors, ending } = await run([command, "--json", ...args], signal);
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch (cause) {
    const last = errors.trim().split("\n").slice(-5).join("\n");
    throw new WorkbenchError(
      "internal",
      `\`lathe ${command}\` ended with ${ending} and without an answer. ${last}`.trim(),
      {},
      { cause },
    );
  }
  const failure = failureSchema.safeParse(answer);
  if (failure.success)
    throw new WorkbenchError(failure.data.error.code as ErrorCode, failure.data.error.message);
  return document.parse(answer);
}

/** The bundled command line next to the running program. LATHE_COMMAND overrides it in tests. */
export function resolveProgramPath(): string {
  const programFolder = typeof __dirname === "string" ? __dirname : process.cwd();
  const path = resolve(process.env.LATHE_COMMAND ?? join(programFolder, "lathe.cjs"));
  if (existsSync(path)) return path;
  throw new WorkbenchError("internal", `The program ${path} is missing. Build it with \`npm run build\`.`);
}

export function createEnvironment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ORT_DISABLE_TELEMETRY: "1",
    // Under Electron the executable is an editor unless this variable is set.
    ...(process.versions.electron === undefined ? {} : { ELECTRON_RUN_AS_NODE: "1" }),
  };
}

interface ProcessResult {
  readonly output: string;
  readonly errors: string;
  readonly ending: string;
}

function run(args: readonly string[], signal: AbortSignal): Promise<ProcessResult> {
  const child = spawn(process.execPath, [resolveProgramPath(), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    windowsHide: true,
    env: createEnvironment(),
  });
  return new Promise((done, fail) => {
    const parts: Record<"output" | "errors", Buffer[]> = { output: [], errors: [] };
    let bytes = 0;
    const stop = () => child.kill("SIGKILL");
    const take = (name: "output" | "errors") => (part: Buffer) => {
      bytes += part.length;
      if (bytes > maxBytes) stop();
      else parts[name].push(part);
    };
    child.stdout.on("data", take("output"));
    child.stderr.on("data", take("errors"));
    signal.addEventListener("abort", stop, { once: true });
    child.once("error", fail);
    child.once("close", (status, killed) => {
      signal.removeEventListener("abort", stop);
      const text = (name: "output" | "errors") => Buffer.concat(parts[name]).toString("utf8");
      if (signal.aborted)
        // The caller removes what the process left behind.
        fail(
          new WorkbenchError("cancelled", `\`lathe ${args[0] ?? ""}\` was cancelled.`, { pid: child.pid }),
        );
      else
        done({
          output: text("output"),
          errors: text("errors"),
          ending: killed ?? `status ${status ?? "unknown"}`,
        });
    });
    if (signal.aborted) stop();
  });
}
