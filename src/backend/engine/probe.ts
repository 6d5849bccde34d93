/**
 * Tries a device in a child process, so that a graphics driver that hangs or crashes affects only that process.
 * The result is cached for the lifetime of this process.
 */
import { execFile, type ExecFileException } from "node:child_process";
import type { Graph } from "../graph/graph";
import { encodeOnnx } from "../graph/onnx";
import { constant, input } from "../graph/op";
import { add, mul } from "../graph/ops/elementwise";
import type { RuntimeDeviceName } from "./engine";
import { explain, resolveRuntimePath } from "./runtime";

export type Probe =
  | { readonly works: true; readonly libraries: readonly string[] }
  | { readonly works: false; readonly reason: string };

const answers = new Map<RuntimeDeviceName, Promise<Probe>>();

export function probe(device: RuntimeDeviceName): Promise<Probe> {
  let answer = answers.get(device);
  if (answer === undefined) answers.set(device, (answer = tryDevice(device)));
  return answer;
}

/** Plain JavaScript, because Node runs it from the command line without a bundle. */
const trial = `
const [, runtime, device, model] = process.argv;
const report = (answer) => process.stdout.write("\\nprobe:" + JSON.stringify(answer) + "\\n");
(async () => {
  const { InferenceSession, Tensor } = require(runtime);
  const options = { executionProviders: [device], logSeverityLevel: 4 };
  const session = await InferenceSession.create(Buffer.from(model, "base64"), options);
  const { y } = await session.run({ x: new Tensor("float32", Float32Array.of(1, 2, 3, 4), [4]) });
  if (y.data.join() !== "3,5,7,9") throw new Error("it computed 2x + 1 of 1, 2, 3, 4 as " + y.data.join(", "));
  report({ works: true, libraries: process.report.getReport().sharedObjects });
})().catch((error) => report({ works: false, reason: String(error.message) }));
`;

/** Tries a device once, without caching. Tests pass scripts that crash or hang. */
export function tryDevice(
  device: RuntimeDeviceName,
  { script = trial, timeoutMilliseconds = 30_000 } = {},
): Promise<Probe> {
  const model = Buffer.from(encodeOnnx(probeGraph())).toString("base64");
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["-e", script, resolveRuntimePath(), device, model],
      {
        timeout: timeoutMilliseconds,
        killSignal: "SIGKILL",
        maxBuffer: 2 ** 24,
        windowsHide: true,
        // Makes Electron run as Node, and removes the parent's Node options.
        env: {
          ...process.env,
          ELECTRON_RUN_AS_NODE: "1",
          NODE_OPTIONS: "",
          ORT_DISABLE_TELEMETRY: "1",
        },
      },
      (error, stdout) => {
        const line = /^probe:(.*)$/m.exec(stdout)?.[1];
        if (line !== undefined) {
          const answer = JSON.parse(line) as Probe;
          resolve(answer.works ? answer : { works: false, reason: explain(answer.reason) });
        } else resolve({ works: false, reason: describeFailure(error, timeoutMilliseconds) });
      },
    );
  });
}

function describeFailure(error: ExecFileException | null, timeoutMilliseconds: number): string {
  if (error?.killed) return `its driver did not answer within ${timeoutMilliseconds / 1000} seconds`;
  if (error?.signal) return `its driver crashed a trial process with ${error.signal}`;
  return `a trial process ended without an answer (exit status ${error?.code ?? 0})`;
}

function probeGraph(): Graph {
  const x = input("x", [4]);
  return {
    outputs: { y: add(mul(x, constant(Float32Array.of(2), [1])), constant(Float32Array.of(1), [1])) },
  };
}
