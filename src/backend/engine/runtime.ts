/** The only place that loads ONNX Runtime: lazily, because loading it costs time and memory that most commands never need. */
import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import { WorkbenchError } from "../../protocol/errors";
import type { RealDeviceName } from "./engine";

export type Runtime = typeof import("onnxruntime-node");

/** Where the package lies, seen from the program that runs; children are told, so that they load the very same files. */
export function runtimePath(): string {
  // The bundle is CommonJS and the source is not, so neither `require` nor `import.meta` is there in both.
  const program = process.argv[1];
  const from =
    program !== undefined && existsSync(program) ? realpathSync(program) : join(process.cwd(), "program");
  return createRequire(from).resolve("onnxruntime-node");
}

export async function loadRuntime(): Promise<Runtime> {
  // The native library reads this once, when it is loaded. Without it, it keeps a device id and an event log on disk.
  process.env.ORT_DISABLE_TELEMETRY = "1";
  try {
    return await import("onnxruntime-node");
  } catch (cause) {
    throw new WorkbenchError(
      "device-failed",
      `ONNX Runtime has no working library for ${process.platform}-${process.arch}: ${firstLine(cause)}. ` +
        "It ships for linux and win32 on x64 and arm64, and for darwin on arm64.",
      {},
      { cause },
    );
  }
}

/** Threads of one operation: an explicit number, else the runtime's default, one a physical core. */
export function threadCount(asked: number | undefined): number {
  const wanted = asked ?? (process.env.LATHE_THREADS === undefined ? undefined : +process.env.LATHE_THREADS);
  if (wanted === undefined)
    // The runtime counts the cores of the machine, not those that this process was restricted to.
    return availableParallelism() < cpus().length ? availableParallelism() : 0;
  if (!Number.isInteger(wanted) || wanted < 1)
    throw new WorkbenchError(
      "invalid-input",
      `The number of threads has to be a whole number from 1 up, not ${process.env.LATHE_THREADS ?? wanted}. ` +
        "Correct LATHE_THREADS, or leave it out for one thread a physical core.",
    );
  return wanted;
}

export function sessionOptions(device: RealDeviceName, threads: number): InferenceSession.SessionOptions {
  return {
    executionProviders: [device],
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    enableCpuMemArena: true,
    // A planned block would stand beside what the first run has left in the arena: half as much memory again, for
    // nothing in speed.
    enableMemPattern: false,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: {
      session: {
        // Moments of rarely seen tokens decay into denormal numbers and stay there, at many times the cost of a
        // multiplication on some processors. The first session decides for the whole process, JavaScript included.
        set_denormal_as_zero: "1",
      },
      // Where the graph asks for a transposed copy it wants one: the product reads it faster than its own transpose.
      // Two reshapes in turn, the first to sizes that it is told at run time, crash their fusion.
      optimization: {
        disable_specified_optimizers: "GemmTransposeFusion;MatmulTransposeFusion;ReshapeFusion",
      },
    },
  };
}

/** What the runtime says is wrong, without the source positions and conditions of its own code. */
export function explain(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const said = /was false\.\s+(.*)/s.exec(message)?.[1] ?? message;
  return said.replace(/\s+/g, " ").trim().replace(/\.$/, "");
}

function firstLine(thrown: unknown): string {
  return (thrown instanceof Error ? thrown.message : String(thrown)).split("\n", 1)[0]!;
}
