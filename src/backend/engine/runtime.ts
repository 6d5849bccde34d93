/** Loads ONNX Runtime, lazily, because it takes time and memory and most commands do not need it. */
import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import { WorkbenchError } from "../../protocol/errors";
import type { RuntimeDeviceName } from "./engine";

export type Runtime = typeof import("onnxruntime-node");

/** Path of the package as resolved from the running program. Child processes receive it to load the same files. */
export function resolveRuntimePath(): string {
  // The bundle is CommonJS and the source is ESM, so neither `require` nor `import.meta` is available in both.
  const program = process.argv[1];
  const from =
    program !== undefined && existsSync(program) ? realpathSync(program) : join(process.cwd(), "program");
  return createRequire(from).resolve("onnxruntime-node");
}

export async function loadRuntime(): Promise<Runtime> {
  // The native library reads this when it loads. Otherwise it stores a device ID and an event log on disk.
  process.env.ORT_DISABLE_TELEMETRY = "1";
  try {
    return await import("onnxruntime-node");
  } catch (cause) {
    throw new WorkbenchError(
      "device-failed",
      `ONNX Runtime has no working library for ${process.platform}-${process.arch}: ${getFirstLine(cause)}. ` +
        "It supports linux and win32 on x64 and arm64, and darwin on arm64.",
      {},
      { cause },
    );
  }
}

/** Threads per operation; 0 is the runtime's default, one per physical core. */
export function resolveThreadCount(requested: number | undefined): number {
  const threads =
    requested ?? (process.env.LATHE_THREADS === undefined ? undefined : +process.env.LATHE_THREADS);
  if (threads === undefined)
    // The runtime counts all cores of the machine, even if the process is restricted to some of them.
    return availableParallelism() < cpus().length ? availableParallelism() : 0;
  if (!Number.isInteger(threads) || threads < 1)
    throw new WorkbenchError(
      "invalid-input",
      `The number of threads must be a positive integer, not ${process.env.LATHE_THREADS ?? threads}. ` +
        "Set LATHE_THREADS to a positive integer, or unset it to use one thread per physical core.",
    );
  return threads;
}

export function createSessionOptions(
  device: RuntimeDeviceName,
  threads: number,
): InferenceSession.SessionOptions {
  return {
    executionProviders: [device],
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    enableCpuMemArena: true,
    // A planned block would be allocated in addition to the arena of the first run: 1.5 times the memory at the same
    // speed.
    enableMemPattern: false,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: {
      session: {
        // Moments of rare tokens decay into denormal numbers, which are many times slower to multiply on some CPUs.
        // The first session sets this for the whole process, including JavaScript.
        set_denormal_as_zero: "1",
      },
      // Keeps transposed copies, which the product reads faster than a fused transpose. Disables the fusion of
      // consecutive reshapes, which crashes if the first one reads its sizes at run time.
      optimization: {
        disable_specified_optimizers: "GemmTransposeFusion;MatmulTransposeFusion;ReshapeFusion",
      },
    },
  };
}

/** Returns the runtime's error message without source positions and conditions. */
export function explain(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const reason = /was false\.\s+(.*)/s.exec(message)?.[1] ?? message;
  return reason.replace(/\s+/g, " ").trim().replace(/\.$/, "");
}

function getFirstLine(thrown: unknown): string {
  return (thrown instanceof Error ? thrown.message : String(thrown)).split("\n", 1)[0]!;
}
