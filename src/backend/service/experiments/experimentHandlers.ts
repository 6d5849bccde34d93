/**
 * Requests of an editor about the text of an experiment. They only read text: nothing runs and nothing is downloaded.
 */
import { dirname, relative, resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { Handlers } from "../../../protocol/connection";
import type { ExperimentRequests } from "../../../protocol/service/experiments";
import type { RunSummary } from "../../../protocol/service/runs";
import type { EarlierRun } from "../../language/attach";
import type { ExperimentLanguage } from "../../language/experimentLanguage";
import type { Estimate, MeasureText } from "../../language/lenses";
import { namedModels } from "../../imports/named/catalog";
import { isSamePath, findWorkspace } from "../../runs/folder/runLocation";
import { ExperimentList } from "./experimentList";
import type { Service } from "../service";

export function createExperimentHandlers(service: Service): Handlers<ExperimentRequests> {
  const list = new ExperimentList();
  let ready: Promise<ExperimentLanguage> | undefined;
  /** Loaded on the first request, since a window may never send one. */
  const language = () =>
    (ready ??= Promise.all([import("../../language/experimentLanguage"), service.catalog()]).then(
      ([{ ExperimentLanguage }, catalog]) =>
        new ExperimentLanguage(catalog, (file) =>
          relative(findWorkspace(file, service.folders), file).replaceAll("\\", "/"),
        ),
    ));
  return {
    "experiments.list": async (_, { signal }) => ({
      experiments: await list.read(service.experiments, signal),
    }),
    "experiment.outline": async (document) => (await language()).outline(document),
    "experiment.check": async (document) => ({ diagnostics: (await language()).check(document) }),
    "experiment.complete": async (document) => {
      const surroundings = {
        baseModels: (folder: string) => listBaseModels(service, resolve(dirname(document.file), folder)),
      };
      return { completions: (await language()).complete(document, surroundings) };
    },
    "experiment.hover": async (document) => {
      const hover = (await language()).hover(document);
      return hover === undefined ? {} : { hover };
    },
    "experiment.lenses": async (document, { signal }) => {
      const estimate = await createEstimate(service, document.file, signal);
      const measureText = await createTextMeasure(service, document.file, signal);
      return { lenses: await (await language()).lenses(document, estimate, measureText) };
    },
    "experiment.attach": async (document) => ({
      attached: (await language()).attach(document, listEarlierRuns(service, document.file)),
    }),
  };
}

async function createEstimate(service: Service, file: string, signal: AbortSignal): Promise<Estimate> {
  const { estimatePlan, readsFiles } = await import("../../runs/planning/estimate");
  const workspace = findWorkspace(file, service.folders);
  return async (plan) => {
    // Each estimate takes up to a tenth of a second; requests sent meanwhile are answered first.
    await setImmediate();
    signal.throwIfAborted();
    if (readsFiles(plan)) service.requireTrust("Reading the files that determine the size of this model");
    return estimatePlan(plan, workspace);
  };
}

async function createTextMeasure(service: Service, file: string, signal: AbortSignal): Promise<MeasureText> {
  const { measureText } = await import("../../runs/planning/textSize");
  const workspace = findWorkspace(file, service.folders);
  return async (plan) => {
    service.requireTrust("Finding the files of this data");
    const size = await measureText(plan, workspace);
    signal.throwIfAborted();
    return size;
  };
}

function listEarlierRuns(service: Service, file: string): EarlierRun[] {
  return service.runs.summaries().flatMap(({ folder, experiment, createdAt }) => {
    if (experiment === undefined || !isSamePath(experiment, file)) return [];
    const { record } = service.runs.find(folder).found;
    return record === undefined ? [] : [{ run: folder, plan: record.plan, createdAt }];
  });
}

const maxModels = 30;

/** Runs that have a model, newest first, with their paths relative to the experiment. */
function listBaseModels(service: Service, from: string): { path: string; title: string }[] {
  const hasModel = ({ state, counts }: RunSummary) =>
    state !== "unreadable" && state !== "queued" && counts !== undefined;
  const named = Object.entries(namedModels).map(([id, { title }]) => ({ path: id, title }));
  const runs = service.runs
    .summaries()
    .filter(hasModel)
    .sort((a, b) => b.createdAt.localeCompare(a.createdAt))
    .slice(0, maxModels)
    .map(({ folder, name }) => ({
      path: relative(from, folder).replaceAll("\\", "/"),
      title: name,
    }));
  return [...runs, ...named];
}
