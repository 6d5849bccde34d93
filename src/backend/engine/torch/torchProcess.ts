/** The child process that runs `lathe_torch`. Its end, whatever the cause, is one clear error for each open request. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { WorkbenchError } from "../../../protocol/errors";
import { countProcesses } from "../../../schema/parallel";
import { encodeFrame, type Frame, FrameReader, type Header } from "./frames";
import { internalError } from "../checks";
import { protocolVersion } from "./torchDevices";
import { createTorchLaunch, findEndedProcess, type TorchLaunch } from "./torchrun";

/** What `lathe_torch` reports about a request that failed. */
export interface TorchFailure {
  /** `memory`, `operation`, `compiler`, `graph`, `protocol` or `internal`. */
  readonly reason: string;
  readonly message: string;
  /** The node of the graph, for example `12.matmul`. */
  readonly node: string | null;
}

/** A request that `lathe_torch` could not fulfil. */
export class TorchRequestError extends Error {
  constructor(readonly failure: TorchFailure) {
    super(failure.message);
  }
}

interface Pending {
  readonly what: string;
  readonly resolve: (frame: Frame) => void;
  readonly reject: (reason: unknown) => void;
}

export interface TorchOptions {
  /** Path of the Python interpreter. */
  readonly python: string;
  readonly launch: TorchLaunch;
}

export class TorchProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #pending = new Map<number, Pending>();
  #nextRequest = 1;
  #ended: WorkbenchError | undefined;
  #isClosing = false;
  /** The end of what the process has written to standard error. */
  #lastOutput = "";
  readonly #exit: Promise<void>;
  /** Names of the composite operations that the process has kernels for on its device. */
  kernels: ReadonlySet<string> = new Set();

  private constructor(private readonly options: TorchOptions) {
    const { args, options: launch } = createTorchLaunch(options.launch);
    this.#child = spawn(options.python, args, { ...launch, stdio: "pipe" });
    const reader = new FrameReader((frame) => this.#receive(frame));
    this.#child.stdout.on("data", (chunk: Buffer) => reader.push(chunk));
    this.#child.stderr.on("data", (chunk: Buffer) => {
      this.#lastOutput = (this.#lastOutput + chunk.toString()).slice(-16_000);
    });
    // Writing to a process that has ended fails here; its end is reported below.
    this.#child.stdin.on("error", () => undefined);
    this.#exit = new Promise((resolve) => {
      this.#child.on("error", (error) => this.#end(`could not be started (${error.message})`, resolve));
      this.#child.on("close", (status, signal) =>
        this.#end(signal === null ? `ended with status ${status}` : `was killed by ${signal}`, resolve),
      );
    });
  }

  /** Starts the process and waits until PyTorch is loaded. */
  static async start(options: TorchOptions): Promise<TorchProcess> {
    const started = new TorchProcess(options);
    // The process sends this message unasked.
    const { header } = await new Promise<Frame>((resolve, reject) =>
      started.#pending.set(0, { what: "it loaded PyTorch", resolve, reject }),
    );
    if (header.protocol !== protocolVersion) {
      await started[Symbol.asyncDispose]();
      throw internalError(
        `lathe_torch has version ${String(header.protocol)} of the protocol, but this Lathe has version ${protocolVersion}.`,
      );
    }
    started.kernels = new Set(header.kernels as readonly string[]);
    return started;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends a message without a reply. After the end of the process it is dropped, and the next request fails. */
  send(header: Header, buffers: readonly Uint8Array[] = []): void {
    if (this.#ended !== undefined || this.#isClosing) return;
    const { stdin } = this.#child;
    stdin.cork();
    for (const part of encodeFrame(header, buffers)) stdin.write(part);
    stdin.uncork();
  }

  /** Sends a request; `what` completes "the process ended while …". Rejects with a TorchRequestError, or if the process ends. */
  async request(what: string, header: Header, buffers: readonly Uint8Array[] = []): Promise<Frame> {
    if (this.#ended !== undefined) throw this.#ended;
    const request = this.#nextRequest++;
    const reply = new Promise<Frame>((resolve, reject) =>
      this.#pending.set(request, { what, resolve, reject }),
    );
    this.send({ ...header, request }, buffers);
    return reply;
  }

  #receive(frame: Frame): void {
    const request = (frame.header.request as number | undefined) ?? 0;
    const pending = this.#pending.get(request);
    this.#pending.delete(request);
    const failure = frame.header.error as TorchFailure | undefined;
    if (failure === undefined) pending?.resolve(frame);
    else pending?.reject(new TorchRequestError(failure));
  }

  #end(how: string, done: () => void): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    const whatItDid = pending[0]?.what;
    const { python, launch } = this.options;
    const count = countProcesses(launch.parallel);
    const during = whatItDid === undefined ? "" : ` while ${whatItDid}`;
    const cause = count === 1 ? undefined : findEndedProcess(this.#lastOutput);
    const lastLine = this.#lastOutput.trim().split("\n").at(-1)?.trim() ?? "";
    this.#ended ??= new WorkbenchError(
      "process-died",
      (cause === undefined
        ? `The PyTorch process (${python}, device ${launch.device}) ${how}${during}. ` +
          (lastLine === "" ? "" : `Its last message: ${lastLine.slice(0, 300)}. `)
        : `Of the ${count} PyTorch processes (${python}, device ${launch.device}), ${cause.slice(0, 300)}${during}. `) +
        "Resume the run to continue from its last checkpoint. If the system ended the process because memory ran out, reduce the batch size first.",
    );
    for (const { reject } of pending) reject(this.#ended);
    done();
  }

  /** Lets the process end by itself; after ten seconds it is killed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await this.#exit;
    clearTimeout(timer);
  }
}
