/** Weights as roles, histograms and heat maps. The code that reads them is loaded on the first request. */
import type { Handlers } from "../../../protocol/connection";
import type { ModelRequests } from "../../../protocol/service/models";
import type { Service } from "../service";

export function createWeightHandlers(
  service: Service,
): Handlers<
  Pick<ModelRequests, "weights.roles" | "weights.histogram" | "weights.heatMap" | "weights.correlation">
> {
  const weights = () => import("./weights");
  return {
    "weights.roles": async ({ subject }) => (await weights()).listRoles(service, subject),
    "weights.histogram": async (request, { signal }) =>
      (await weights()).createHistogram(service, request, signal),
    "weights.heatMap": async (request, { signal }) =>
      (await weights()).createHeatMap(service, request, signal),
    "weights.correlation": async (request, { signal }) =>
      (await weights()).createCorrelation(service, request, signal),
  };
}
