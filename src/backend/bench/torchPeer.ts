/** The same work in PyTorch, in a child process that runs once for each request, to alternate with Lathe's. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { createPythonLaunch } from "../engine/torch/interpreter";

/** What `lathe_torch/bench.py` reads first. */
export type PeerRequest = {
  readonly threads: number;
  readonly config: Readonly<Record<string, unknown>>;
  /** A safetensors file. */
  readonly weights: string;
} & (
  | {
      readonly task: "train";
      readonly compiled: boolean;
      readonly rows: number;
      readonly length: number;
      readonly optimizer: Readonly<
        Record<"learningRate" | "beta1" | "beta2" | "epsilon" | "weightDecay" | "maxGradNorm", number>
      >;
    }
  | {
      readonly task: "generate";
      readonly prompt: readonly number[];
      readonly newTokens: number;
      /** Whether to write without transformers even if it is installed. */
      readonly plain: boolean;
    }
);

const helloSchema = z.object({ torch: z.string(), threads: z.number(), model: z.string() });
export type PeerDescription = z.infer<typeof helloSchema>;

export class TorchPeer implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #errors = "";

  private constructor(python: string) {
    const { args, options } = createPythonLaunch("lathe_torch.bench");
    this.#child = spawn(python, args, { ...options, stdio: "pipe" });
    this.#child.on("error", (error) => (this.#errors += error.message));
    this.#child.stderr.on("data", (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-4000);
    });
    // Writing to a process that has ended fails here; its end is reported to the reader.
    this.#child.stdin.on("error", () => undefined);
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /** Starts the process and prepares the work. Throws with PyTorch's reason if that fails. */
  static async open(
    python: string,
    request: PeerRequest,
  ): Promise<{ peer: TorchPeer; description: PeerDescription }> {
    const peer = new TorchPeer(python);
    try {
      return { peer, description: helloSchema.parse(await peer.#ask(request)) };
    } catch (thrown) {
      await peer[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Runs the work once. */
  async run<T>(schema: z.ZodType<T>): Promise<T> {
    return schema.parse(await this.#ask({}));
  }

  async #ask(line: object): Promise<unknown> {
    this.#child.stdin.write(JSON.stringify(line) + "\n");
    const next = await this.#lines.next();
    if (next.done === true) throw this.#fail(this.#errors.trim().split("\n").at(-1) ?? "");
    const answer = JSON.parse(next.value) as { readonly error?: string };
    if (answer.error !== undefined) throw this.#fail(answer.error);
    return answer;
  }

  #fail(reason: string): WorkbenchError {
    return new WorkbenchError("device-failed", `PyTorch could not run the comparison: ${reason}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const end = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin.end();
    await end;
  }
}
