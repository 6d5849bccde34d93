/** Checkpoints and exported models of all runs: names of folders, sizes and times of files, one small JSON file at most. */
import type { Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { ModelEntry } from "../../../protocol/service/models";
import { isActive } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import { readBounded } from "../../runs/folder/boundedFile";
import type { Service } from "../service";

/** Runs that are looked at at the same time. */
const atOnce = 32;
const mostConfigBytes = 2 ** 20;

export class ModelList {
  /** Of runs that have ended nothing changes any more; the index gives another summary when it does. */
  private readonly known = new WeakMap<RunSummary, readonly ModelEntry[]>();

  constructor(private readonly service: Service) {}

  /** The newest first. */
  async models(signal: AbortSignal): Promise<ModelEntry[]> {
    const runs = [...this.service.runs.summaries()];
    const found: ModelEntry[] = [];
    const work = async () => {
      for (let run = runs.pop(); run !== undefined; run = runs.pop()) {
        signal.throwIfAborted();
        found.push(...(await this.modelsOf(run)));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return found.sort((a, b) => b.modifiedAt.localeCompare(a.modifiedAt) || a.path.localeCompare(b.path));
  }

  private async modelsOf(run: RunSummary): Promise<readonly ModelEntry[]> {
    const known = this.known.get(run);
    if (known !== undefined) return known;
    const family = this.familyOf(run);
    const entries = [...(await checkpoints(run)), ...(await ofSteps(run))].map((entry) => {
      const own = family ?? familyIn(entry.path);
      return own === undefined ? entry : { ...entry, family: own };
    });
    if (run.state !== "unreadable" && !isActive(run)) this.known.set(run, entries);
    return entries;
  }

  private familyOf({ folder }: RunSummary): string | undefined {
    const family = this.service.runs.find(folder).found.record?.plan.model?.["model_type"];
    return typeof family === "string" ? family : undefined;
  }
}

async function checkpoints(run: RunSummary): Promise<ModelEntry[]> {
  const folder = join(run.folder, "checkpoints");
  const found = await Promise.all(
    (await foldersIn(folder)).map(async ({ name }) => {
      const step = /^step-(\d{1,12})$/.exec(name)?.[1];
      return step === undefined
        ? undefined
        : entryOf(run, join(folder, name), { kind: "checkpoint", title: `Step ${step}`, step: Number(step) });
    }),
  );
  return found.filter((entry) => entry !== undefined);
}

/** What methods have made, and exports. */
async function ofSteps(run: RunSummary): Promise<ModelEntry[]> {
  const folder = join(run.folder, "steps");
  const found = await Promise.all(
    (await foldersIn(folder)).map(async ({ name }) => {
      const [, index, action] = /^(\d{1,6})-(compress|export)$/.exec(name) ?? [];
      if (action === "compress")
        return entryOf(run, join(folder, name, "checkpoint"), {
          kind: "checkpoint",
          title: `After step ${index ?? ""} (compress)`,
        });
      return action === "export"
        ? entryOf(run, join(folder, name, "model"), {
            kind: "export",
            title: `Export of step ${index ?? ""}`,
          })
        : undefined;
    }),
  );
  return found.filter((entry) => entry !== undefined);
}

async function entryOf(
  run: RunSummary,
  path: string,
  about: Pick<ModelEntry, "kind" | "title" | "step">,
): Promise<ModelEntry | undefined> {
  // A link may lead anywhere, so neither the folder nor a file in it may be one.
  if ((await lstat(path).catch(() => undefined))?.isDirectory() !== true) return undefined;
  const weights = (await entriesOf(path)).filter(
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

async function foldersIn(folder: string): Promise<Dirent[]> {
  if ((await lstat(folder).catch(() => undefined))?.isDirectory() !== true) return [];
  return (await entriesOf(folder)).filter((entry) => entry.isDirectory());
}

/** A folder that is gone meanwhile, or may not be read, holds no model for us. */
function entriesOf(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch(() => []);
}

const configSchema = z.looseObject({ model_type: z.string().max(100) });

/** Of a model whose plan names another one to start from. */
function familyIn(folder: string): string | undefined {
  try {
    return configSchema.parse(JSON.parse(readBounded(join(folder, "config.json"), mostConfigBytes)))
      .model_type;
  } catch {
    return undefined; // A courtesy: the model is listed without it.
  }
}
