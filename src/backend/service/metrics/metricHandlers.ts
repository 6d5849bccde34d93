/** Curves: requested as a whole, then followed by increments. */
import type { Handlers } from "../../../protocol/connection";
import type { MetricRequests } from "../../../protocol/service/metrics";
import { MetricHistories } from "./metricHistories";
import type { MetricHistory } from "./metricHistory";
import { selectSeries } from "./metricSeries";
import { MetricWatch } from "./metricWatch";
import type { Service } from "../service";

export function createMetricHandlers(
  service: Service,
): Handlers<Pick<MetricRequests, "metrics.series" | "metrics.watch">> {
  const histories: MetricHistories = new MetricHistories({ isNeeded: (run) => watch.needs(run) });
  const watch = new MetricWatch(service, histories);
  return {
    "metrics.series": async ({ queries }, { signal }) => {
      const runs = new Set(queries.map(({ run }) => run));
      for (const run of runs) service.runs.find(run);
      const read = new Map<string, MetricHistory>();
      for (const run of runs) {
        const history = histories.of(run);
        read.set(run, history);
        await history.refresh(signal);
      }
      // No await from here to the answer, so that no line is reported between the two.
      for (const run of runs) watch.report(run);
      const series = queries.map((query) => selectSeries(read.get(query.run)!.columns, query));
      histories.makeRoom();
      return { series };
    },
    "metrics.watch": async ({ watcher, series }, { signal }) => {
      const lines = await watch.watch(watcher, series, signal);
      histories.makeRoom();
      return { lines };
    },
  };
}
