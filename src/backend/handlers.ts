/** Maps each request to its handler. */
import type { Requests, ServiceRequests } from "../protocol/backend";
import type { Call, Handlers } from "../protocol/connection";
import { metricHandlers } from "./service/metrics/metricHandlers";
import { runHandlers } from "./service/runs/runHandlers";
import type { Service } from "./service/service";

/**
 * All but `workspace.open`, which prepares the service for them. Models, schemas and tokenizers are loaded with the
 * first request that needs them, so that a window shows its runs at once.
 */
export function handlersOf(service: Service): Handlers<Omit<Requests, keyof ServiceRequests>> {
  return {
    ...runHandlers(service),
    ...metricHandlers(service),
    ...loadLater(["runs.results", "runs.card"], async () => {
      const { resultHandlers } = await import("./service/results/resultHandlers");
      return resultHandlers(service);
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
        const { experimentHandlers } = await import("./service/experiments/experimentHandlers");
        return experimentHandlers(service);
      },
    ),
    ...loadLater(["models.list", "models.export", "models.formats"], async () => {
      const { modelHandlers } = await import("./service/models/modelHandlers");
      return modelHandlers(service);
    }),
    ...loadLater(["sizes.of"], async () => {
      const { sizeHandlers } = await import("./service/models/sizeHandlers");
      return sizeHandlers(service);
    }),
    ...loadLater(
      ["weights.roles", "weights.histogram", "weights.heatMap", "weights.correlation"],
      async () => {
        const { weightHandlers } = await import("./service/models/weightHandlers");
        return weightHandlers(service);
      },
    ),
    ...loadLater(["devices.list"], async () => {
      const { deviceHandlers } = await import("./service/deviceHandlers");
      return deviceHandlers(service);
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
