/**
 * Asks a Python interpreter for its versions and the devices of its PyTorch, in a separate process, and turns every way
 * in which that fails into one error. An answer is kept for the lifetime of this process; a failure is not, because the
 * user may install what is missing.
 */
import { execFile, type ExecFileException } from "node:child_process";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { type TorchDeviceName, torchDeviceNames } from "../../../schema/device";
import {
  createPythonLaunch,
  findInterpreter,
  getPackageFolder,
  type Interpreter,
  listInterpreters,
} from "./interpreter";

/** Equals `PROTOCOL_VERSION` of `lathe_torch`. */
export const protocolVersion = 1;
const oldestPython = [3, 10] as const;
const oldestTorch = [2, 6] as const;

/** A graphics card, or another processor besides the CPU. */
export interface Card {
  readonly name: string;
  readonly totalBytes: number;
  /** Absent if the driver does not report it. */
  readonly freeBytes?: number | undefined;
}

export interface TorchDevice {
  readonly name: TorchDeviceName;
  readonly works: boolean;
  /** Why it does not work. */
  readonly reason: string;
  readonly cards: readonly Card[];
}

export interface TorchInstallation {
  readonly interpreter: Interpreter;
  /** Version of Python, such as 3.11.7. */
  readonly python: string;
  /** Version of PyTorch, such as 2.9.0+cu128. */
  readonly torch: string;
  readonly devices: readonly TorchDevice[];
}

const cardSchema = z.object({ name: z.string(), totalBytes: z.number(), freeBytes: z.number().optional() });

/** An interpreter that is too old reports only its version. */
const answerSchema = z.object({
  python: z.string(),
  protocol: z.int().optional(),
  torch: z.string().nullish(),
  error: z.string().optional(),
  devices: z
    .array(z.object({ kind: z.string(), works: z.boolean(), reason: z.string(), cards: z.array(cardSchema) }))
    .default([]),
});

export interface AskOptions {
  /** Loading PyTorch from a slow disk may take most of a minute. */
  readonly timeoutMilliseconds?: number;
}

const installations = new Map<string, Promise<TorchInstallation>>();

/** The interpreter that runs use, with what it can do. Throws `device-failed` with what is missing and how to get it. */
export async function findTorch(options?: AskOptions): Promise<TorchInstallation> {
  return askInterpreter(findInterpreter(), options);
}

export function askInterpreter(interpreter: Interpreter, options?: AskOptions): Promise<TorchInstallation> {
  const { path } = interpreter;
  const known = installations.get(path);
  if (known !== undefined) return known;
  const asked = ask(interpreter, options);
  installations.set(path, asked);
  asked.catch(() => installations.delete(path));
  return asked;
}

export interface InterpreterReport extends Interpreter {
  /** Whether devices of PyTorch use it. */
  readonly isUsed: boolean;
  /** Versions, if it can be used. */
  readonly python?: string;
  readonly torch?: string;
  /** Why it cannot be used; empty if it can. */
  readonly reason: string;
}

/** Asks every interpreter that was found. */
export async function examineInterpreters(): Promise<readonly InterpreterReport[]> {
  const used = findUsedPath();
  return Promise.all(
    listInterpreters().map(async (interpreter): Promise<InterpreterReport> => {
      const isUsed = interpreter.path === used;
      try {
        const { python, torch } = await askInterpreter(interpreter);
        return { ...interpreter, isUsed, python, torch, reason: "" };
      } catch (thrown) {
        return { ...interpreter, isUsed, reason: toWorkbenchError(thrown).message };
      }
    }),
  );
}

/** Undefined if an interpreter that does not exist is named. */
function findUsedPath(): string | undefined {
  try {
    return findInterpreter().path;
  } catch {
    return undefined;
  }
}

/**
 * The device of PyTorch with this name; for `torch` the best one. Throws `device-failed` if it does not work.
 */
export function selectTorchDevice(
  { devices, torch, interpreter }: TorchInstallation,
  name: TorchDeviceName | "torch",
): TorchDevice {
  const working = devices.filter(({ works }) => works);
  const selected = name === "torch" ? working[0] : devices.find((device) => device.name === name);
  if (selected?.works === true) return selected;
  const reason = selected?.reason ?? "PyTorch reports no such device";
  const others = working.length === 0 ? "none" : working.map((device) => device.name).join(", ");
  throw new WorkbenchError(
    "device-failed",
    `Device "${name}" does not work with PyTorch ${torch} of ${interpreter.path}: ${reason}. ` +
      `Devices that work with it: ${others}.`,
    { device: name, allowed: working.map((device) => device.name) },
  );
}

async function ask(interpreter: Interpreter, options: AskOptions = {}): Promise<TorchInstallation> {
  const { timeoutMilliseconds = 60_000 } = options;
  const output = await run(interpreter, timeoutMilliseconds);
  const answer = readAnswer(output.text);
  if (answer === undefined) throw describeFailure(interpreter, output, timeoutMilliseconds);
  return check(interpreter, answer);
}

interface Output {
  readonly text: string;
  readonly errors: string;
  readonly failure: ExecFileException | null;
}

function run({ path }: Interpreter, timeout: number): Promise<Output> {
  const { args, options } = createPythonLaunch("lathe_torch.devices");
  return new Promise((resolve) => {
    const child = execFile(
      path,
      args,
      { ...options, timeout, killSignal: "SIGKILL", maxBuffer: 2 ** 20 },
      (failure, text, errors) => resolve({ text, errors, failure }),
    );
    // A program that waits for input ends instead. One that could not be started has no input.
    child.stdin?.on("error", () => undefined).end();
  });
}

function readAnswer(text: string): z.infer<typeof answerSchema> | undefined {
  const line = /^lathe-torch:(.*)$/m.exec(text)?.[1];
  if (line === undefined) return undefined;
  try {
    return answerSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

function describeFailure(interpreter: Interpreter, output: Output, timeout: number): WorkbenchError {
  const { text, errors, failure } = output;
  const python = describe(interpreter);
  const lastLine = getLines(errors).at(-1);
  const reported = lastLine === undefined ? "" : ` Its last message: ${lastLine}`;
  const fail = (message: string, next = otherInterpreter) =>
    new WorkbenchError("device-failed", `${message} ${next}${reported}`, {}, { cause: failure });
  const printsTooMuch = failure?.code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER";
  if (failure?.killed === true && !printsTooMuch)
    return fail(
      `${python} did not report the devices of PyTorch within ${timeout / 1000} seconds, and was ended.`,
    );
  if (typeof failure?.code === "string" && !printsTooMuch)
    return fail(`${python} could not be started: ${failure.message}.`);
  if (failure?.signal) return fail(`${python} crashed with ${failure.signal} when it loaded PyTorch.`);
  const firstLine = getLines(text)[0];
  if (firstLine !== undefined)
    return fail(`${python} printed "${firstLine}" instead of its version and devices.`);
  return fail(`${python} ended with status ${failure?.code ?? 0} without reporting its version and devices.`);
}

function check(interpreter: Interpreter, answer: z.infer<typeof answerSchema>): TorchInstallation {
  const { python, protocol, torch, error, devices } = answer;
  const name = describe(interpreter);
  const fail = (message: string) => new WorkbenchError("device-failed", message, { interpreter });
  if (isOlder(python, oldestPython))
    throw fail(
      `PyTorch devices require Python ${oldestPython.join(".")} or newer, but ${name} is Python ${python}. ${otherInterpreter}`,
    );
  if (protocol !== protocolVersion)
    throw fail(
      `Lathe's Python package ${getPackageFolder()} has version ${protocol ?? "unknown"} of the protocol, but this ` +
        `Lathe has version ${protocolVersion}. Install Lathe again, so that both are of one release.`,
    );
  if (error !== undefined) throw fail(`${name} cannot load PyTorch: ${error}. ${otherInterpreter}`);
  if (typeof torch !== "string")
    throw fail(
      `PyTorch is not installed for ${name}, Python ${python}. Install it with ` +
        `"${interpreter.path}" -m pip install torch, or select another interpreter with the setting lathe.pythonPath or LATHE_PYTHON.`,
    );
  if (isOlder(torch, oldestTorch))
    throw fail(
      `Lathe requires PyTorch ${oldestTorch.join(".")} or newer, but ${name} has ${torch}. Update it with ` +
        `"${interpreter.path}" -m pip install --upgrade torch, or select another interpreter with the setting lathe.pythonPath or LATHE_PYTHON.`,
    );
  return {
    interpreter,
    python,
    torch,
    devices: torchDeviceNames.map((name): TorchDevice => {
      const device = devices.find(({ kind }) => `torch:${kind}` === name);
      return device === undefined
        ? { name, works: false, reason: "PyTorch does not list it", cards: [] }
        : { name, works: device.works, reason: device.reason, cards: device.cards };
    }),
  };
}

const otherInterpreter =
  "Select another interpreter with the setting lathe.pythonPath or the environment variable LATHE_PYTHON.";

const describe = ({ path, source }: Interpreter) => `${path} (from ${source})`;

/** Compares the first numbers of a version such as `2.6.0a0+git`. */
function isOlder(version: string, oldest: readonly number[]): boolean {
  const parts = version.split(".").map((part) => Number.parseInt(part, 10));
  const index = oldest.findIndex((number, i) => parts[i] !== number);
  return index >= 0 && !((parts[index] ?? 0) > oldest[index]!);
}

function getLines(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim().slice(0, 200))
    .filter((line) => line !== "");
}
