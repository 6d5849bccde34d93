/** What a model card reports of a run: its steps, and the numbers that were measured on the exported model itself. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { LossProtocols } from "../../../protocol/lossProtocol";
import type { RunPlan, RunRecord, Step } from "../../../protocol/run";
import { changesModel } from "../../../schema/cellKeys";
import type { CardMeasure, CardRun } from "../../exports/hub/modelCard";
import { writeResolvedYaml } from "../../experiment/resolvedYaml";
import { parseHubId } from "../../imports/hub/hubId";
import { readBounded } from "./boundedFile";
import { lossProtocolsSchema } from "./runRecord";

const maxBytes = 2 ** 28;
const resultsSchema = z.record(z.string(), z.object({ values: z.record(z.string(), z.number().nullable()) }));
const errorSuffix = "_stderr";

/** `before` is the index of the exporting step; without one, the model is the last of the run. */
export function createRunCard(
  folder: string,
  { plan, dataTitle, device, versions }: RunRecord,
  workspace: string,
  before = plan.steps.length,
): CardRun {
  const steps = plan.steps.filter(({ index }) => index < before);
  const facts = {
    Seed: String(plan.seed),
    Variant: plan.variant,
    Data: dataTitle ?? "",
    Device: device === undefined ? "" : `${device.name} (${device.description})`,
    Versions: Object.entries(versions ?? {})
      .map(([name, version]) => `${name} ${version}`)
      .join(", "),
  };
  return {
    facts: Object.entries(facts).filter(([, text]) => text !== ""),
    steps: stringify(steps.map(({ action, options }) => ({ [action]: options }))),
    measures: readMeasures(folder, steps),
    experiment: writeResolvedYaml(plan, { folder: "." }),
    baseModel: findHubBase(plan, workspace),
    methods: listMethods(steps),
  };
}

/** Evaluations after the last step that changed the model; the numbers of earlier ones belong to another model. */
function readMeasures(folder: string, steps: readonly Step[]): CardMeasure[] {
  const changed = steps.findLastIndex(({ action }) => changesModel(action));
  const measures = new Map<string, CardMeasure>();
  for (const { action, index } of steps.slice(changed + 1)) {
    const stepFolder = join(folder, "steps", `${index}-${action}`);
    if (action !== "evaluate" || !existsSync(join(stepFolder, "done.json"))) continue;
    const results = readJson(join(stepFolder, "eval.json"), resultsSchema);
    const losses = join(stepFolder, "losses.json");
    const protocols: LossProtocols = existsSync(losses) ? readJson(losses, lossProtocolsSchema) : {};
    for (const { values } of Object.values(results))
      for (const [metric, value] of Object.entries(values)) {
        if (metric.endsWith(errorSuffix) && metric.slice(0, -errorSuffix.length) in values) continue;
        const error = values[`${metric}${errorSuffix}`] ?? undefined;
        measures.set(metric, { metric, value: value ?? NaN, error, protocol: protocols[metric] });
      }
  }
  return [...measures.values()];
}

function readJson<T>(path: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(readBounded(path, maxBytes)));
  } catch (thrown) {
    throw new WorkbenchError(
      "corrupt",
      `${path} is not the result of an evaluation, so the model card cannot be made: ${toWorkbenchError(thrown).message}`,
      {},
      { cause: thrown },
    );
  }
}

/** The id without a revision; undefined for a model on disk. */
function findHubBase({ baseModel, folder }: RunPlan, workspace: string): string | undefined {
  const name = typeof baseModel === "string" ? baseModel : baseModel?.id;
  return name === undefined ? undefined : parseHubId(name, resolve(workspace, folder))?.repository;
}

function listMethods(steps: readonly Step[]): string[] {
  const compressed = steps.filter(({ action }) => action === "compress");
  return [...new Set(compressed.flatMap(({ options }) => Object.keys(options)))];
}
