/** Weights as roles, histograms and pictures. What reads them is loaded with the first question. */
import type { Handlers } from "../../../protocol/connection";
import type { ModelRequests } from "../../../protocol/service/models";
import type { Service } from "../service";

export function weightHandlers(
  service: Service,
): Handlers<
  Pick<ModelRequests, "weights.roles" | "weights.histogram" | "weights.heatMap" | "weights.correlation">
> {
  const weights = () => import("./weights");
  return {
    "weights.roles": async ({ subject }) => (await weights()).rolesOf(service, subject),
    "weights.histogram": async (asked, { signal }) => (await weights()).histogram(service, asked, signal),
    "weights.heatMap": async (asked, { signal }) => (await weights()).heatMap(service, asked, signal),
    "weights.correlation": async (asked, { signal }) => (await weights()).correlation(service, asked, signal),
  };
}
