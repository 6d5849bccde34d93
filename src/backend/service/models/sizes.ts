/**
 * How large models are: stored ones counted exactly, planned ones from their configuration, published ones as
 * printed.
 */
import { join, resolve } from "node:path";
import type { ModelCounts, RoleCounts } from "../../../protocol/counts";
import { LruCache } from "../../../protocol/lruCache";
import { WorkbenchError } from "../../../protocol/errors";
import { paperSchema } from "../../../schema/paper";
import type { RunPlan } from "../../../protocol/run";
import type { ModelSize, PublishedSize, Subject } from "../../../protocol/service/models";
import { sumModelCounts, countModel, countRoles } from "../../models/accounting";
import type { OpenedModel } from "../../imports/openedModel";
import type { ModelShape } from "../../models/model";
import { getFileStamp } from "../../runs/folder/boundedFile";
import { readsFiles, planFinalShape } from "../../runs/planning/estimate";
import { loadPlans } from "../../runs/planning/loadPlans";
import { iterateWithPauses } from "../../analysis/iterateWithPauses";
import type { Service } from "../service";
import { openSubject, planOf, type StoredSubject, formatTitle } from "./subjects";

type PlannedSubject = Extract<Subject, { readonly kind: "plan" }>;

/** Counts of this many unchanged files are cached. */
const countedLimit = 100;

export class Sizes {
  private readonly counted = new LruCache<ModelCounts>({ limit: countedLimit });

  constructor(private readonly service: Service) {}

  of(subject: Subject, signal: AbortSignal): Promise<ModelSize> {
    return subject.kind === "plan" ? computePlannedSize(this.service, subject) : this.stored(subject, signal);
  }

  private async stored(subject: StoredSubject, signal: AbortSignal): Promise<ModelSize> {
    using model = openSubject(this.service, subject);
    const files = [...model.files, join(model.source, "manifest.json")];
    const key = files.map((file) => `${file}:${getFileStamp(file)}`).join();
    const counts = this.counted.get(key) ?? this.counted.set(key, await count(model, signal));
    const plan = planOf(this.service, subject, model.run);
    return createModelSize(formatTitle(this.service, subject), model.shape, counts, plan);
  }
}

/** One role at a time, since a large file takes long to read. */
async function count(model: OpenedModel, signal: AbortSignal): Promise<ModelCounts> {
  const options = { tensors: (name: string) => model.read(name), file: model.written };
  const roles: RoleCounts[] = [];
  for await (const role of iterateWithPauses(countRoles(model.shape, options), signal)) roles.push(role);
  return sumModelCounts(roles, options);
}

async function computePlannedSize(service: Service, subject: PlannedSubject): Promise<ModelSize> {
  const { plan, workspace } = await planFor(service, subject);
  if (readsFiles(plan)) service.requireTrust("Reading the files that determine the size of this model");
  const shape = await planFinalShape(plan, workspace);
  return createModelSize(plan.name, shape, countModel(shape), plan);
}

/** The first run of a sweep represents the variant. */
async function planFor(
  service: Service,
  { experiment, text, variant }: PlannedSubject,
): Promise<{ readonly plan: RunPlan; readonly workspace: string }> {
  const choice = { text, variant, opened: service.folders };
  const { plans, workspace } = await loadPlans(resolve(experiment), choice, await service.catalog());
  const [plan] = plans;
  if (plan !== undefined) return { plan, workspace };
  throw new WorkbenchError("invalid-input", `${experiment} plans no run. Add a model and an action to it.`);
}

type Setting = ModelSize["config"][string];

/** The keys of all families that determine the size of a model, in reading order. */
const shapingKeys = [
  "model_type",
  ...["hidden_size", "n_embd"],
  ...["intermediate_size", "n_inner"],
  ...["num_hidden_layers", "n_layer"],
  ...["num_attention_heads", "n_head", "num_key_value_heads", "head_dim"],
  "vocab_size",
  ...["max_position_embeddings", "n_positions"],
  "tie_word_embeddings",
  "min_channels_per_group",
];

function createModelSize(
  title: string,
  { family, config }: ModelShape,
  counts: ModelCounts,
  plan: RunPlan | undefined,
): ModelSize {
  const settings = Object.entries<unknown>({ model_type: family, ...config }).filter(
    (entry): entry is [string, Setting] => ["string", "number", "boolean"].includes(typeof entry[1]),
  );
  const byKey = new Map(settings);
  const shaping = shapingKeys.flatMap((key) => (byKey.has(key) ? [[key, byKey.get(key)!] as const] : []));
  const published = plan === undefined ? undefined : findPublishedSize(plan);
  return {
    title,
    family,
    config: Object.fromEntries(shaping),
    counts,
    ...(published === undefined ? {} : { published }),
  };
}

/** The size that the experiment's paper reports for the variant. */
function findPublishedSize({ paper: planPaper, variant, scale }: RunPlan): PublishedSize | undefined {
  const paper = paperSchema.safeParse(planPaper).data;
  // At another scale the model deliberately differs from the published one.
  if (paper === undefined || (paper.scale !== undefined && paper.scale !== scale)) return undefined;
  const value = (part: string) =>
    paper.published.find(
      (entry) =>
        entry.quantity === `parameters/${part}` && (entry.variant === undefined || entry.variant === variant),
    )?.value;
  const [nonEmbedding, total] = [value("non_embedding"), value("total")];
  if (nonEmbedding === undefined && total === undefined) return undefined;
  return {
    source: paper.year === undefined ? paper.title : `${paper.title} (${paper.year})`,
    ...(nonEmbedding === undefined ? {} : { nonEmbedding }),
    ...(total === undefined ? {} : { total }),
  };
}
