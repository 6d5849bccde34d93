/** What the steps of a run have left behind. */
import type { Handlers } from "../../protocol/connection";
import type { RunRequests } from "../../protocol/service/runs";
import { MetricHistories } from "./metricHistories";
import type { Service } from "./service";
import type { Ended } from "./stepResults";

/** Beside the histories that curves are drawn from: only those of trainings whose table is asked for. */
const mostBytes = 32 * 2 ** 20;

export function resultHandlers(service: Service): Handlers<Pick<RunRequests, "runs.results">> {
  const kept = { histories: new MetricHistories(mostBytes), ended: new Map() as Ended };
  return {
    "runs.results": async ({ run }, { signal }) => {
      const { found } = service.runs.find(run);
      const { stepResults } = await import("./stepResults");
      return { steps: await stepResults(found, kept, signal) };
    },
  };
}
