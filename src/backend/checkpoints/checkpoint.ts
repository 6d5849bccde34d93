/**
 * A checkpoint folder contains `model.safetensors`, `config.json`, and, to resume training, `optimizer.safetensors` and
 * `state.json`. `manifest.json` lists representations and the hash of every file. The folder gets its name only when complete.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { type ModelShape, parametersOf, createShape } from "../models/model";
import type { ParameterSpec } from "../representations/representation";
import { dtypeOf, type HostTensors, readLazily, readSafetensors, writeSafetensors } from "./safetensors";

export interface Checkpoint {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  readonly training?: TrainingSnapshot;
}

/** Everything that the next step depends on, except the weights. */
export interface TrainingSnapshot {
  readonly optimizer: HostTensors;
  readonly state: TrainingState;
}

export const trainingStateSchema = z.object({
  /** Number of completed steps. */
  step: z.int().min(0),
  /** Steps without counted labels, which changed nothing, since the optimizer last started. Default: 0. */
  empty_steps: z.int().min(0).optional(),
  tokens: z.int().min(0),
  seconds: z.number().min(0),
  sampler: z.unknown(),
  /** State of the sampler before the last step, whose batches a cumulative loss reads again. */
  previous_sampler: z.unknown().optional(),
  /** Sum of the losses of all steps so far. */
  cumulative_loss: z.number().optional(),
  best: z.object({ step: z.int(), loss: z.number() }).optional(),
  /** The best loss that early stopping has seen, evaluations since, and the sum of the training losses of the steps since the last one. */
  early_stopping: z
    .object({
      best: z.object({ step: z.int(), loss: z.number() }).optional(),
      waited: z.int().min(0),
      sum: z.number(),
      steps: z.int().min(0),
    })
    .optional(),
  /** Index of the run's action that it belongs to. */
  action: z.int().min(0),
});
export type TrainingState = z.infer<typeof trainingStateSchema>;

const modelFile = "model.safetensors";
const optimizerFile = "optimizer.safetensors";
const configFile = "config.json";
const stateFile = "state.json";
const manifestFile = "manifest.json";

const manifestSchema = z.object({
  format: z.literal(1),
  representations: z.record(
    z.string(),
    z.object({ type: z.string(), options: z.record(z.string(), z.unknown()) }),
  ),
  files: z
    .partialRecord(
      z.enum([modelFile, configFile, optimizerFile, stateFile]),
      z.object({ bytes: z.int(), sha256: z.string() }),
    )
    .refine((files) => modelFile in files && configFile in files, { error: "it does not list a model" })
    .refine((files) => optimizerFile in files === stateFile in files, {
      error: "it lists only a part of the training state",
    }),
});

/** Writes a temporary folder beside `folder`, flushes it to disk, then renames it. */
export function writeCheckpoint(folder: string, { shape, tensors, training }: Checkpoint): void {
  const draft = getDraftPath(folder);
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  try {
    writeSafetensors(join(draft, modelFile), tensors);
    writeJson(join(draft, configFile), { ...shape.config, model_type: shape.family });
    const names = [modelFile, configFile];
    if (training !== undefined) {
      writeSafetensors(join(draft, optimizerFile), training.optimizer);
      writeJson(join(draft, stateFile), training.state);
      names.push(optimizerFile, stateFile);
    }
    writeManifest(draft, shape, names);
    // A folder cannot be renamed onto another one, and deleting that one first could leave a part of it.
    recover(folder);
    if (existsSync(folder)) renameSync(folder, getReplacedPath(folder));
    renameSync(draft, folder);
    recover(folder);
  } catch (thrown) {
    rmSync(draft, { recursive: true, force: true });
    recover(folder);
    throw toWorkbenchError(thrown, folder);
  }
}

/** The weights of a checkpoint that this process has just written; large ones are read when they are used. */
export function readWrittenTensors(folder: string): HostTensors {
  return readLazily(join(folder, modelFile)).tensors;
}

/** Writes the manifest of the folder, after all other files. */
export function writeManifest(
  folder: string,
  { representations }: Pick<ModelShape, "representations">,
  names: readonly string[] = [modelFile, configFile],
): void {
  writeJson(join(folder, manifestFile), {
    format: 1,
    representations,
    files: Object.fromEntries(names.map((name) => [name, computeFingerprint(join(folder, name), true)])),
  });
  computeFingerprint(join(folder, manifestFile), true);
}

function writeJson(path: string, content: unknown): void {
  writeFileSync(path, `${JSON.stringify(content, undefined, 2)}\n`);
}

const getDraftPath = (folder: string): string =>
  join(dirname(folder), `.${basename(folder)}.${process.pid}.tmp`);
const getReplacedPath = (folder: string): string => join(dirname(folder), `.${basename(folder)}.replaced`);

/** Completes a replacement, including one from a killed process. If there is no new checkpoint, it restores the old one. */
function recover(folder: string): void {
  const replaced = getReplacedPath(folder);
  if (!existsSync(replaced)) return;
  if (!existsSync(folder)) {
    renameSync(replaced, folder);
    return;
  }
  // Renames it first, so that a partly deleted folder is not read as a checkpoint.
  const waste = getDraftPath(folder);
  renameSync(replaced, waste);
  rmSync(waste, { recursive: true });
}

/**
 * Recovers a folder of checkpoints after a process was killed while writing: removes incomplete checkpoints and restores one
 * that was being replaced. The caller must be the only writer.
 */
export function recoverCheckpoints(parent: string): void {
  if (!existsSync(parent)) return;
  for (const name of readdirSync(parent)) {
    const replaced = /^\.(.+)\.replaced$/.exec(name)?.[1];
    if (replaced !== undefined) recover(join(parent, replaced));
    else if (/^\..+\.\d+\.tmp$/.test(name)) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/**
 * Reads and checks a checkpoint. Throws `corrupt` if a file is missing, changed or truncated, or does not match its
 * configuration. Runs write plain weights; pass `readWeights` to also accept folders with coded weights.
 */
export function readCheckpoint(
  path: string,
  readWeights: (file: string) => HostTensors = (file) => readSafetensors(file).tensors,
): Checkpoint {
  const folder = existsSync(path) ? path : getReplacedPath(path);
  if (!existsSync(folder))
    throw new WorkbenchError("not-found", `No checkpoint found at ${path}. Specify a checkpoint folder.`);
  const manifest = readJson(join(folder, manifestFile), manifestSchema);
  for (const [name, { bytes, sha256 }] of Object.entries(manifest.files)) {
    const path = join(folder, name);
    if (!existsSync(path))
      throw new WorkbenchError(
        "corrupt",
        `Checkpoint ${folder} is missing ${name}. Use another checkpoint of the run.`,
      );
    const actual = computeFingerprint(path, false);
    if (actual.bytes === bytes && actual.sha256 === sha256) continue;
    const change =
      actual.bytes === bytes ? "its checksum differs" : `${actual.bytes} bytes instead of ${bytes}`;
    throw new WorkbenchError(
      "corrupt",
      `${path} has changed since it was written: ${change}. Use another checkpoint of the run.`,
    );
  }
  const config = readJson(join(folder, configFile), z.record(z.string(), z.unknown()));
  const shape = { ...createShape(config), representations: manifest.representations };
  const tensors = readWeights(join(folder, modelFile));
  checkTensors(folder, shape, tensors);
  if (manifest.files[stateFile] === undefined) return { shape, tensors };
  return {
    shape,
    tensors,
    training: {
      optimizer: readSafetensors(join(folder, optimizerFile)).tensors,
      state: readJson(join(folder, stateFile), trainingStateSchema),
    },
  };
}

/** Checks that the tensors are exactly the parameters of the configuration, with the same shapes and types. */
export function checkTensors(where: string, shape: ModelShape, tensors: HostTensors): void {
  checkParameters(where, parametersOf(shape), tensors);
}

/** Like `checkTensors`, for the parameters of anything that is trained. */
export function checkParameters(where: string, specs: readonly ParameterSpec[], tensors: HostTensors): void {
  const problems: string[] = [];
  for (const { name, shape: expectedShape, dtype } of specs) {
    const tensor = tensors.get(name);
    if (tensor === undefined) problems.push(`${name} is missing`);
    else if (dtypeOf(tensor) !== dtype) problems.push(`${name} is ${dtypeOf(tensor)} instead of ${dtype}`);
    else if (tensor.shape.join() !== expectedShape.join())
      problems.push(`${name} is [${tensor.shape.join(", ")}] instead of [${expectedShape.join(", ")}]`);
  }
  const names = new Set(specs.map(({ name }) => name));
  for (const name of tensors.keys()) if (!names.has(name)) problems.push(`${name} is not part of the model`);
  if (problems.length === 0) return;
  const more = problems.length > 5 ? ` and ${problems.length - 5} more` : "";
  throw new WorkbenchError(
    "invalid-input",
    `The tensors of ${where} do not match its configuration: ${problems.slice(0, 5).join("; ")}${more}. Use the configuration that belongs to these weights.`,
  );
}

/** Size and hash of a file, read in chunks; `settle` also flushes it to disk. */
export function computeFingerprint(path: string, settle: boolean): { bytes: number; sha256: string } {
  const file = openSync(path, settle ? "r+" : "r");
  try {
    if (settle) fsyncSync(file);
    const hash = createHash("sha256");
    const piece = Buffer.allocUnsafe(2 ** 22);
    let bytes = 0;
    for (let bytesRead = readSync(file, piece); bytesRead > 0; bytesRead = readSync(file, piece)) {
      hash.update(piece.subarray(0, bytesRead));
      bytes += bytesRead;
    }
    return { bytes, sha256: hash.digest("hex") };
  } finally {
    closeSync(file);
  }
}

function readJson<T>(path: string, schema: z.ZodType<T>): T {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new WorkbenchError(
      "corrupt",
      `${path} cannot be read (${(cause as Error).message}). Use another checkpoint.`,
      {},
      { cause },
    );
  }
  const parsed = schema.safeParse(content);
  if (!parsed.success)
    throw new WorkbenchError(
      "corrupt",
      `${path} is not a valid checkpoint file: ${z.prettifyError(parsed.error)}`,
    );
  return parsed.data;
}
