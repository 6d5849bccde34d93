/** Maps each request to its handler. */
import type { Requests, ServiceRequests } from "../protocol/backend";
import type { Call, Handlers } from "../protocol/connection";
import { createMetricHandlers } from "./service/metrics/metricHandlers";
import { createRunHandlers } from "./service/runs/runHandlers";
import type { Service } from "./service/service";

/**
 * All but `workspace.open`, which prepares the service for them. Models, schemas and tokenizers are loaded with the
 * first request that needs them, so that a window shows its runs at once.
 */
export function createHandlers(service: Service): Handlers<Omit<Requests, keyof ServiceRequests>> {
  return {
    ...createRunHandlers(service),
    ...createMetricHandlers(service),
    ...loadLater(["runs.settings", "runs.planAgain", "runs.again", "runs.asCells"], async () => {
      const { createAgainHandlers } = await import("./service/runs/againHandlers");
      return createAgainHandlers(service);
    }),
    ...loadLater(["runs.results", "runs.card", "runs.tasks"], async () => {
      const { createResultHandlers } = await import("./service/results/resultHandlers");
      return createResultHandlers(service);
    }),
    ...loadLater(
      [
        "experiments.list",
        "experiment.outline",
        "experiment.check",
        "experiment.complete",
        "experiment.hover",
        "experiment.lenses",
        "experiment.attach",
      ],
      async () => {
        const { createExperimentHandlers } = await import("./service/experiments/experimentHandlers");
        return createExperimentHandlers(service);
      },
    ),
    ...loadLater(["experiment.report"], async () => {
      const { createReportHandlers } = await import("./service/experiments/reportHandlers");
      return createReportHandlers(service);
    }),
    ...loadLater(["models.list", "models.export", "models.formats"], async () => {
      const { createModelHandlers } = await import("./service/models/modelHandlers");
      return createModelHandlers(service);
    }),
    ...loadLater(["sizes.of"], async () => {
      const { createSizeHandlers } = await import("./service/models/sizeHandlers");
      return createSizeHandlers(service);
    }),
    ...loadLater(
      ["weights.roles", "weights.histogram", "weights.heatMap", "weights.correlation"],
      async () => {
        const { createWeightHandlers } = await import("./service/models/weightHandlers");
        return createWeightHandlers(service);
      },
    ),
    ...loadLater(["models.serve", "models.answer", "models.stopAnswer", "models.score"], async () => {
      const { createAnswerHandlers } = await import("./service/models/answerHandlers");
      return createAnswerHandlers(service);
    }),
    ...loadLater(["histograms.list", "histograms.read"], async () => {
      const { createHistogramHandlers } = await import("./service/runs/histogramHandlers");
      return createHistogramHandlers(service);
    }),
    ...loadLater(["texts.survey"], async () => {
      const { createTextHandlers } = await import("./service/textHandlers");
      return createTextHandlers(service);
    }),
    ...loadLater(["views.list", "views.save", "views.rename", "views.delete"], async () => {
      const { createViewHandlers } = await import("./service/views/viewHandlers");
      return createViewHandlers(service);
    }),
    ...loadLater(["devices.list"], async () => {
      const { createDeviceHandlers } = await import("./service/deviceHandlers");
      return createDeviceHandlers(service);
    }),
  };
}

type AnyHandler = (params: never, call: Call) => unknown;

/** Handlers of these names that load the actual ones once. A missing name does not compile above. */
function loadLater<H extends Readonly<Record<K, AnyHandler>>, K extends keyof H & string>(
  names: readonly K[],
  load: () => Promise<H>,
): Pick<H, K> {
  let loaded: Promise<H> | undefined;
  const handlers = names.map((name) => {
    const answer: AnyHandler = async (params, call) => (await (loaded ??= load()))[name](params, call);
    return [name, answer];
  });
  return Object.fromEntries(handlers) as Pick<H, K>;
}
