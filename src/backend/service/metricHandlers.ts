import type { Handlers } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { MetricRequests } from "../../protocol/service/metrics";
import type { Service } from "./service";

const missing = (): never => {
  throw new WorkbenchError("unsupported", "Not built yet.");
};

export function metricHandlers(
  _service: Service,
): Handlers<Pick<MetricRequests, "metrics.series" | "metrics.watch">> {
  return {
    "metrics.series": missing,
    "metrics.watch": missing,
  };
}
