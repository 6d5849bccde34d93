/** What an editor asks about the text of an experiment. Text is read and nothing else is done: nothing runs, nothing is fetched. */
import { dirname, relative, resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { Handlers } from "../../../protocol/connection";
import type { ExperimentRequests } from "../../../protocol/service/experiments";
import type { RunSummary } from "../../../protocol/service/runs";
import type { EarlierRun } from "../../language/attach";
import type { ExperimentLanguage } from "../../language/experimentLanguage";
import type { Estimate } from "../../language/lenses";
import { isSamePath, workspaceOf } from "../../runs/folder/runLocation";
import { ExperimentList } from "./experimentList";
import type { Service } from "../service";

export function experimentHandlers(service: Service): Handlers<ExperimentRequests> {
  const list = new ExperimentList();
  let ready: Promise<ExperimentLanguage> | undefined;
  /** Loaded with the first question, since a window may never ask one. */
  const language = () =>
    (ready ??= Promise.all([import("../../language/experimentLanguage"), service.catalog()]).then(
      ([{ ExperimentLanguage }, catalog]) =>
        new ExperimentLanguage(catalog, (file) =>
          relative(workspaceOf(file, service.folders), file).replaceAll("\\", "/"),
        ),
    ));
  return {
    "experiments.list": async (_, { signal }) => ({
      experiments: await list.read(service.experiments, signal),
    }),
    "experiment.outline": async (given) => (await language()).outline(given),
    "experiment.check": async (given) => ({ diagnostics: (await language()).check(given) }),
    "experiment.complete": async (given) => {
      const surroundings = {
        baseModels: (folder: string) => baseModels(service, resolve(dirname(given.file), folder)),
      };
      return { completions: (await language()).complete(given, surroundings) };
    },
    "experiment.hover": async (given) => {
      const hover = (await language()).hover(given);
      return hover === undefined ? {} : { hover };
    },
    "experiment.lenses": async (given, { signal }) => {
      const estimate = await estimator(service, given.file, signal);
      return { lenses: await (await language()).lenses(given, estimate) };
    },
    "experiment.attach": async (given) => ({
      attached: (await language()).attach(given, runsOf(service, given.file)),
    }),
  };
}

async function estimator(service: Service, file: string, signal: AbortSignal): Promise<Estimate> {
  const { estimatePlan, readsFiles } = await import("../../runs/planning/estimate");
  const workspace = workspaceOf(file, service.folders);
  return async (plan) => {
    // Each takes up to a tenth of a second; whoever types meanwhile is answered first.
    await setImmediate();
    signal.throwIfAborted();
    if (readsFiles(plan)) service.requireTrust("Reading the files that the size of this model follows from");
    return estimatePlan(plan, workspace);
  };
}

function runsOf(service: Service, file: string): EarlierRun[] {
  return service.runs.summaries().flatMap(({ folder, experiment, createdAt }) => {
    if (experiment === undefined || !isSamePath(experiment, file)) return [];
    const { record } = service.runs.find(folder).found;
    return record === undefined ? [] : [{ run: folder, plan: record.plan, createdAt }];
  });
}

const mostModels = 30;

/** Runs that have a model, the newest first, as the experiment would name them. */
function baseModels(service: Service, from: string): { path: string; title: string }[] {
  const hasModel = ({ state, counts }: RunSummary) =>
    state !== "unreadable" && state !== "queued" && counts !== undefined;
  return service.runs
    .summaries()
    .filter(hasModel)
    .sort((a, b) => b.createdAt.localeCompare(a.createdAt))
    .slice(0, mostModels)
    .map(({ folder, name }) => ({
      path: relative(from, folder).replaceAll("\\", "/"),
      title: name,
    }));
}
