/**
 * Checkpoints and exported models of all runs. Reads only folder names, file sizes and times, and at most one small
 * JSON file each.
 */
import type { Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { ModelEntry } from "../../../protocol/service/models";
import { isActive } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import { parseCheckpointStep } from "../../checkpoints/checkpointNames";
import { readBounded } from "../../runs/folder/boundedFile";
import type { Service } from "../service";

/** Runs read concurrently. */
const atOnce = 32;
const maxConfigBytes = 2 ** 20;

export class ModelList {
  /** Ended runs no longer change; the index creates another summary object when one does. */
  private readonly known = new WeakMap<RunSummary, readonly ModelEntry[]>();

  constructor(private readonly service: Service) {}

  /** Newest first. */
  async models(signal: AbortSignal): Promise<ModelEntry[]> {
    const runs = [...this.service.runs.summaries()];
    const models: ModelEntry[] = [];
    const work = async () => {
      for (let run = runs.pop(); run !== undefined; run = runs.pop()) {
        signal.throwIfAborted();
        models.push(...(await this.modelsOf(run)));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return models.sort((a, b) => b.modifiedAt.localeCompare(a.modifiedAt) || a.path.localeCompare(b.path));
  }

  private async modelsOf(run: RunSummary): Promise<readonly ModelEntry[]> {
    const cached = this.known.get(run);
    if (cached !== undefined) return cached;
    const family = this.familyOf(run);
    const entries = [...(await listCheckpoints(run)), ...(await listStepModels(run))].map((entry) => {
      const ownFamily = family ?? readFamily(entry.path);
      return ownFamily === undefined ? entry : { ...entry, family: ownFamily };
    });
    if (run.state !== "unreadable" && !isActive(run)) this.known.set(run, entries);
    return entries;
  }

  private familyOf({ folder }: RunSummary): string | undefined {
    const family = this.service.runs.find(folder).found.record?.plan.model?.["model_type"];
    return typeof family === "string" ? family : undefined;
  }
}

async function listCheckpoints(run: RunSummary): Promise<ModelEntry[]> {
  const folder = join(run.folder, "checkpoints");
  const models = await Promise.all(
    (await listFolders(folder)).map(async ({ name }) => {
      const step = parseCheckpointStep(name);
      return step === undefined
        ? undefined
        : createEntry(run, join(folder, name), { kind: "checkpoint", title: `Step ${step}`, step });
    }),
  );
  return models.filter((entry) => entry !== undefined);
}

/** Models written by compression steps, and exports. */
async function listStepModels(run: RunSummary): Promise<ModelEntry[]> {
  const folder = join(run.folder, "steps");
  const models = await Promise.all(
    (await listFolders(folder)).map(async ({ name }) => {
      const [, index, action] = /^(\d{1,6})-(compress|export)$/.exec(name) ?? [];
      if (action === "compress")
        return createEntry(run, join(folder, name, "checkpoint"), {
          kind: "checkpoint",
          title: `After step ${index ?? ""} (compress)`,
        });
      return action === "export"
        ? createEntry(run, join(folder, name, "model"), {
            kind: "export",
            title: `Export of step ${index ?? ""}`,
          })
        : undefined;
    }),
  );
  return models.filter((entry) => entry !== undefined);
}

async function createEntry(
  run: RunSummary,
  path: string,
  about: Pick<ModelEntry, "kind" | "title" | "step">,
): Promise<ModelEntry | undefined> {
  // A link may lead anywhere, so neither the folder nor a file in it may be one.
  if ((await lstat(path).catch(() => undefined))?.isDirectory() !== true) return undefined;
  const weights = (await listEntries(path)).filter(
    (entry) => entry.isFile() && /^(?:model.*\.safetensors|model\.onnx)$/.test(entry.name),
  );
  const files = await Promise.all(weights.map(({ name }) => lstat(join(path, name)).catch(() => undefined)));
  const sizes = files.filter((file) => file !== undefined);
  if (sizes.length === 0) return undefined;
  return {
    path,
    run: run.folder,
    bytes: sizes.reduce((sum, { size }) => sum + size, 0),
    modifiedAt: new Date(Math.max(...sizes.map(({ mtimeMs }) => mtimeMs))).toISOString(),
    ...about,
  };
}

async function listFolders(folder: string): Promise<Dirent[]> {
  if ((await lstat(folder).catch(() => undefined))?.isDirectory() !== true) return [];
  return (await listEntries(folder)).filter((entry) => entry.isDirectory());
}

/** A folder that has disappeared or may not be read contains no models. */
function listEntries(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch(() => []);
}

const configSchema = z.looseObject({ model_type: z.string().max(100) });

/** The family of a model whose plan starts from another model. */
function readFamily(folder: string): string | undefined {
  try {
    return configSchema.parse(JSON.parse(readBounded(join(folder, "config.json"), maxConfigBytes)))
      .model_type;
  } catch {
    return undefined; // The family is optional: the model is listed without it.
  }
}
